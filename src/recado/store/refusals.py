"""What the database says when it refuses a statement, under the names that the rest of Recado uses."""

import asyncpg

#: A row as it was read.
Row = asyncpg.Record

#: What a row refers to is not there, or what is deleted is still referred to.
BrokenReference = asyncpg.ForeignKeyViolationError

#: Others were changing the same rows and the transaction was undone; the same again may succeed.
Undone = asyncpg.TransactionRollbackError

#: What a row's own values cause, whoever asks: out of range, undecodable, too large for an index.
UNSTORABLE = (asyncpg.DataError, asyncpg.ProgramLimitExceededError)

#: A text, or a text inside JSON, holds the character U+0000.
NUL_CHARACTER = (asyncpg.CharacterNotInRepertoireError, asyncpg.UntranslatableCharacterError)
