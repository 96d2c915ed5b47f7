"""The gateway as a state machine, beside an oracle that knows which clips may leave.

What it notices was tried by changing the gateway in one place at a time and playing 200
random examples of 40 steps. It found each of these:

- a decline leaves unsent releases going; a withdrawal is forgotten, believed of anybody, or
  closes what another requester asked, when it comes before its request or after it;
- muting one requester mutes all, or declines a court's order; pausing leaves letters at the
  broker; resuming brings none back; requests do not end by their time;
- a revocation that came before its approval is forgotten; one is ignored once sealed;
- one owner counts as two; two approvals last as long as the later;
- a letter that was refused is believed when it comes again; a letter is acknowledged before
  its keys were used;
- the number of open requests is not kept; an edited text is a request of its own.

The faults of :mod:`tests.soak.plants` are planted at each ``make soak``. The camera's process may
be taken over (:mod:`.camera`), the broker forget or the card be set back, as a whole or one
process's part of it (:mod:`.losses`), and the letters of two owners cross (:mod:`.crossings`).
"""
