"""The guide inside the program: a tour of two minutes, and a page for each part."""

from __future__ import annotations

from PySide6.QtCore import QEvent, Qt, QUrl
from PySide6.QtGui import QDesktopServices, QTextBlockFormat, QTextCursor, QTextFormat
from PySide6.QtWidgets import QDialog, QListWidget, QListWidgetItem, QSplitter, QTextBrowser, QVBoxLayout, QWidget

from mi_crow_gui.document.resource_files import resource
from mi_crow_gui.panels.look import GRID

# File in `resources/guide` without its ending, and what the list calls it.
PAGES = (
    ("tour", "A tour in two minutes"),
    ("models", "Opening a model"),
    ("capturing", "Capturing activations"),
    ("controllers", "Writing a controller"),
    ("running", "Running and generating"),
    ("views", "Plots and views"),
    ("comparing", "Comparing runs"),
    ("experiments", "Experiments"),
    ("saving", "Sessions and captures"),
    ("captures", "Captures without the model"),
    ("command-line", "Command line and library"),
)

_LINE_HEIGHT = 125  # percent


class GuideDialog(QDialog):
    """Shows one page at a time beside the list of all; links go from page to page."""

    # Qt tells of palettes while the dialog is still being built.
    _built = False

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("guideDialog")
        self.setWindowTitle("Guide")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._list = QListWidget()
        self._list.setObjectName("guidePages")
        self._list.setAccessibleName("Pages")
        self._list.setSpacing(2)
        for name, title in PAGES:
            item = QListWidgetItem(title)
            item.setData(Qt.ItemDataRole.UserRole, name)
            self._list.addItem(item)
        self._text = QTextBrowser()
        self._text.setObjectName("guideText")
        self._text.setAccessibleName("Page")
        self._text.setOpenLinks(False)
        self._text.document().setDocumentMargin(2 * GRID)
        self._text.anchorClicked.connect(self._on_text_anchor_clicked)
        self._list.currentItemChanged.connect(self._on_list_current_changed)
        split = QSplitter()
        split.addWidget(self._list)
        split.addWidget(self._text)
        split.setStretchFactor(1, 1)
        split.setSizes([24 * GRID, 72 * GRID])
        column = QVBoxLayout(self)
        column.setContentsMargins(GRID, GRID, GRID, GRID)
        column.addWidget(split)
        self.resize(100 * GRID, 76 * GRID)
        self._built = True
        self.show_page(PAGES[0][0])

    @property
    def page(self) -> str:
        """The name of the page that is shown."""
        return str(self._list.currentItem().data(Qt.ItemDataRole.UserRole))

    def show_page(self, name: str) -> None:
        """Show a page by name; KeyError if there is none."""
        rows = {page: row for row, (page, _) in enumerate(PAGES)}
        self._list.setCurrentRow(rows[name])

    def changeEvent(self, event: QEvent) -> None:  # noqa: D102 - Qt's
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and self._built:
            # The colours of links and code are part of the text.
            self._show()

    def _on_list_current_changed(self, _current: QListWidgetItem, _previous: QListWidgetItem) -> None:
        self._show()
        self._text.verticalScrollBar().setValue(0)

    def _show(self) -> None:
        path = resource("guide", f"{self.page}.md")
        self._text.setMarkdown(path.read_text(encoding="utf-8"))
        cursor = QTextCursor(self._text.document())
        cursor.beginEditBlock()
        block = self._text.document().firstBlock()
        while block.isValid():
            cursor.setPosition(block.position())
            form = block.blockFormat()
            if form.hasProperty(QTextFormat.Property.BlockCodeLanguage.value):
                form.setLeftMargin(2 * GRID)
                form.setBackground(self.palette().alternateBase())
            elif not form.headingLevel():
                if block.textList() is not None:
                    form.setTopMargin(0)
                    form.setBottomMargin(GRID / 4)
                form.setLineHeight(_LINE_HEIGHT, QTextBlockFormat.LineHeightTypes.ProportionalHeight.value)
            cursor.setBlockFormat(form)
            block = block.next()
        cursor.endEditBlock()

    def _on_text_anchor_clicked(self, link: QUrl) -> None:
        if link.isRelative():
            self.show_page(link.path().removesuffix(".md"))
        else:
            QDesktopServices.openUrl(link)
