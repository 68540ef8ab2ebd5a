-- Moves on, and wakes as many sleepers as tasks became ready (wanted), if there are (woken), but for p_claims
-- of them, which the caller claims; both are null if nobody is needed.
CREATE OR REPLACE FUNCTION promote(p_limit integer, p_claims integer,
    OUT more boolean, OUT wanted integer, OUT woken integer)
LANGUAGE plpgsql AS $$
DECLARE ready integer;
BEGIN
    SELECT m.more, m.ready INTO more, ready FROM move_on(p_limit, 0) AS m;
    IF ready > p_claims THEN
        wanted := ready - p_claims;
        woken := wake(wanted);
    END IF;
END $$;
