"""Qt item models over plain records: they show, ask and never change anything themselves."""
