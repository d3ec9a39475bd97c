"""The command `tollkeeper`: a module per verb, imported when that verb is asked for."""
