-- The pause that a message names itself, and what a message that is queued again must not forget.

-- How long the lane rests behind the message; null: as long as pacing says.
ALTER TABLE outbox ADD COLUMN pause_ms integer;

-- Whether the message may go as text where a provider cannot render it. The outbox forgets it with the message's end.
ALTER TABLE messages ADD COLUMN fallback boolean NOT NULL DEFAULT false;
UPDATE messages m SET fallback = true FROM outbox o
WHERE o.fallback AND m.company_id = o.company_id AND m.id = o.message_id;
