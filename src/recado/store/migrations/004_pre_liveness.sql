-- How well servers and connections answer, whether numbers are alive, and what is done about those that are not.

-- What was counted some time ago counts less: it fades to a third in five minutes, so that failures / calls is the
-- error rate of about the last five minutes, in two numbers and without a row per call.
CREATE FUNCTION faded(amount double precision, since timestamptz, at timestamptz) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
    $$ SELECT coalesce(amount * exp(-least(greatest(extract(epoch FROM at - since)::float8, 0), 36000) / 300), 0) $$;

ALTER TABLE servers
    ADD COLUMN calls double precision NOT NULL DEFAULT 0,
    ADD COLUMN failures double precision NOT NULL DEFAULT 0,
    ADD COLUMN counted_at timestamptz,
    ADD COLUMN error_rate double precision
        GENERATED ALWAYS AS (CASE WHEN calls > 0 THEN round((failures / calls)::numeric, 4)::float8 END) STORED;

-- One row per connection, made with it.
--   latency_ms, calls, failures  the status checks, as those of a server
--   heard_at      when the provider last posted anything of this number but its own state
--   judged_at     when its liveness was last judged; watched_from: since when without a gap. Silence while nobody
--                 listened proves nothing
--   rhythm        the share of ten-minute windows with traffic, learnt per hour of workdays, then of weekends
--   windows       those of them since hour_at, the hour that is being counted
--   evidence      why the number cannot be alive whatever its provider says: silent, unacknowledged, canary. It stands
--                 until something proves life, and while it stands `connected` is shown as `degraded`
--   canary_id     the canary message that waits for its acknowledgement; canary_at: when the last one was made
CREATE TABLE liveness (
    company_id uuid NOT NULL,
    connection_id uuid NOT NULL,
    instance_id uuid NOT NULL,
    latency_ms double precision,
    calls double precision NOT NULL DEFAULT 0,
    failures double precision NOT NULL DEFAULT 0,
    counted_at timestamptz,
    error_rate double precision
        GENERATED ALWAYS AS (CASE WHEN calls > 0 THEN round((failures / calls)::numeric, 4)::float8 END) STORED,
    heard_at timestamptz,
    judged_at timestamptz,
    watched_from timestamptz,
    rhythm real[] NOT NULL DEFAULT '{}',
    windows smallint NOT NULL DEFAULT 0,
    hour_at timestamptz,
    evidence text CHECK (evidence IN ('silent', 'unacknowledged', 'canary')),
    evidence_at timestamptz,
    evidence_reason text,
    evidence_data jsonb,
    canary_id uuid,
    canary_at timestamptz,
    PRIMARY KEY (company_id, connection_id),
    FOREIGN KEY (company_id, connection_id) REFERENCES connections ON DELETE CASCADE
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX liveness_evidence ON liveness (evidence_at) WHERE evidence IS NOT NULL;
-- By when they are due, so that a look for work costs what is due and not what there is.
CREATE INDEX liveness_judged ON liveness (coalesce(judged_at, '-infinity'::timestamptz));
CREATE INDEX connections_checked ON connections (coalesce(checked_at, created_at))
    WHERE status IN ('connecting', 'qr', 'connected', 'degraded', 'disconnected');
CREATE INDEX connections_down ON connections (status_at) WHERE status IN ('disconnected', 'connecting');

-- Whoever makes a connection cannot forget to have it watched.
CREATE FUNCTION watch_connection() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO liveness (company_id, connection_id, instance_id) VALUES (NEW.company_id, NEW.id, NEW.instance_id)
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;
CREATE TRIGGER connections_watched AFTER INSERT ON connections
    FOR EACH ROW EXECUTE FUNCTION watch_connection();
INSERT INTO liveness (company_id, connection_id, instance_id) SELECT company_id, id, instance_id FROM connections
ON CONFLICT DO NOTHING;

-- A connection in trouble that is being brought back; the row goes when the trouble does.
--   trouble        disconnected, or the evidence
--   steps          how many were taken
--   next_at        when the next one is due; null: given up, until somebody asks or the trouble ends by itself
--   claimed_until  one process is at it, until then at most
CREATE TABLE recoveries (
    company_id uuid NOT NULL,
    connection_id uuid NOT NULL,
    instance_id uuid NOT NULL,
    trouble text NOT NULL,
    began_at timestamptz NOT NULL,
    steps smallint NOT NULL DEFAULT 0,
    next_at timestamptz,
    claimed_until timestamptz,
    PRIMARY KEY (company_id, connection_id),
    FOREIGN KEY (company_id, connection_id) REFERENCES connections ON DELETE CASCADE
);
CREATE INDEX recoveries_due ON recoveries (next_at) WHERE next_at IS NOT NULL;

SELECT protect_tenants();
