-- name: get
-- What a provider said of a number, and when.
SELECT canonical, checked_at FROM canonical_phones WHERE company_id = $1 AND phone = $2

-- name: put
-- What a provider said of numbers. In one order.
INSERT INTO canonical_phones (company_id, phone, canonical, checked_at)
SELECT $1, p.phone, p.canonical, $4 FROM unnest($2::text[], $3::text[]) AS p (phone, canonical) ORDER BY p.phone
ON CONFLICT (company_id, phone) DO UPDATE SET canonical = excluded.canonical, checked_at = excluded.checked_at
