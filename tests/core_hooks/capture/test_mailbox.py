"""The mailbox between the model thread and the window."""

from __future__ import annotations

import threading

from core_hooks.capture.mailbox import Mailbox


def test_only_the_newest_value_of_each_key_is_delivered() -> None:
    mailbox: Mailbox[str, int] = Mailbox()
    mailbox.put("h.0", 1)
    mailbox.put("h.1", 5)
    mailbox.put("h.0", 2)
    assert mailbox.take_all() == {"h.0": 2, "h.1": 5}
    assert mailbox.replaced == 1


def test_taking_empties_the_mailbox() -> None:
    mailbox: Mailbox[str, int] = Mailbox()
    mailbox.put("h.0", 1)
    assert mailbox
    mailbox.take_all()
    assert not mailbox
    assert mailbox.take_all() == {}


def test_what_is_put_while_another_thread_takes_is_never_lost() -> None:
    mailbox: Mailbox[int, int] = Mailbox()
    keys = 2000
    seen: dict[int, int] = {}

    def write() -> None:
        for key in range(keys):
            mailbox.put(key, key)

    writer = threading.Thread(target=write)
    writer.start()
    while writer.is_alive():
        seen.update(mailbox.take_all())
    writer.join()
    seen.update(mailbox.take_all())
    assert seen == {key: key for key in range(keys)}
