-- How many studies are in each state, and since when the oldest of them is: what waits, and for how long.
--
-- state: where they are on their way
-- studies: that are there; a state without any has no row
-- with_a_lease: of these, how many some worker holds
-- tried_before: of these, how many have failed attempts of the step that is due
-- oldest_since: since when the one is there that is there longest
SELECT
    s.state,
    count(*) AS studies,
    sum(CASE WHEN s.lease_token IS NOT NULL THEN 1 ELSE 0 END) AS with_a_lease,
    sum(CASE WHEN s.next_attempt_at IS NOT NULL THEN 1 ELSE 0 END) AS tried_before,
    min(s.state_since) AS oldest_since
FROM studies s
GROUP BY s.state
