/*
 * The Lease of one group: rules 2 to 5, 8 and 9 of docs/lease.md with two Nodes (0, 1) and a Witness (2).
 *
 * Messages are sets that never shrink: what was said once may arrive at any later time, any number of
 * times, in any order, or never. Nobody's clock is compared with another's, so time is told by its order
 * alone: a grant for sending s runs out at a voter no earlier than the Lease that was counted from before
 * that sending (`is_served`), and an ACCEPT for a sending whose time is over extends nothing (`over`).
 *
 * A candidate may wait as long as it likes, so what it has received is judged when it acts: PROPOSE goes to
 * every voter whose OPEN promise exists, a Lease begins with any ACCEPTs that exist. Ballots are taken in any
 * order, also a lower one by a new life of a core.
 *
 * What can no longer matter is forgotten, so that states which differ in nothing else are one (IS_LIVE, BURY):
 * answers to a ballot that its core gave up, PROPOSEs that their voter can never take any more. A voter's
 * life has no number: FORGET turns what named it stale, and stale means never taken.
 *
 * Bounds: -DBALLOTS=n (2 to 4, 6 with -DTALK), -DSENDINGS=n (up to 3) of each, -DCRASHES=n of cores and voters.
 * Each -DPLANT_... takes one lock away: tests/model/test_lease_model.py says what must follow.
 * -DTALK adds answers that change nothing, for traces that are held against the code (`spin -n`).
 */

#ifndef BALLOTS
#define BALLOTS 3
#endif
#ifndef SENDINGS
#define SENDINGS 1
#endif
#ifndef CRASHES
#define CRASHES 1
#endif

#ifndef PLANT_OPEN_MARK_IGNORED
#define PLANT_OPEN_MARK_IGNORED 0
#endif
#ifndef PLANT_CARELESS
#define PLANT_CARELESS 0
#endif
#ifndef PLANT_LIFE_IGNORED
#define PLANT_LIFE_IGNORED 0
#endif
#ifndef PLANT_BALLOT_ABOVE
#define PLANT_BALLOT_ABOVE 0
#endif
#ifndef PLANT_ALWAYS_OPEN
#define PLANT_ALWAYS_OPEN 0
#endif
#ifndef PLANT_NO_ABSTENTION
#define PLANT_NO_ABSTENTION 0
#endif
#ifndef PLANT_FROM_ARRIVAL
#define PLANT_FROM_ARRIVAL 0
#endif
#ifndef PLANT_CLOCK_FIRST
#define PLANT_CLOCK_FIRST 0
#endif
#ifndef PLANT_LATE_EXTENDS
#define PLANT_LATE_EXTENDS 0
#endif
#ifndef PLANT_ADDED_UP
#define PLANT_ADDED_UP 0
#endif
#ifndef PLANT_RELEASE_ANY
#define PLANT_RELEASE_ANY 0
#endif
#ifndef PLANT_OWN_VOTE
#define PLANT_OWN_VOTE 0
#endif
#ifndef PLANT_USED_ON
#define PLANT_USED_ON 0
#endif
#ifndef PLANT_USED_AGAIN
#define PLANT_USED_AGAIN 0
#endif
#ifndef PLANT_ADOPTED
#define PLANT_ADOPTED 0
#endif
#ifndef PLANT_GOODBYE_FIRST
#define PLANT_GOODBYE_FIRST 0
#endif
#ifndef PLANT_GOODBYE_FOR_THE_SLOW
#define PLANT_GOODBYE_FOR_THE_SLOW 0
#endif

/* A voter's memory. `promised`: also a higher ballot that was released, which bars the same (`is_released`).
   `ballot`, `sending`: what is accepted, 0 for nothing; while it abstains, what its former life had
   accepted, which it does not know: the abstention is at least as long. */
typedef Voter {
  unsigned promised : 3;
  bit is_open;
  bit is_released;
  unsigned taken : 2;
  unsigned ballot : 3;
  unsigned sending : 2;
  bit abstains
};

/* A Node's core, and its kernel: `left` is what a dead core left open there. */
typedef Core {
  unsigned bid : 3;
  unsigned held : 3;
  unsigned under : 2;
  unsigned left : 3;
  unsigned left_under : 2
};

/* What was said under a ballot. `owner`: Node + 1. `open`: who promised it as OPEN; `fresh`: and has not lost
   its memory since. `over`: the last sending that is known to be too old to extend a Lease. `is_later`: it
   was first sent after the sending under which its Node still serves. */
typedef Ballot {
  unsigned owner : 2;
  bit is_later;
  unsigned sent : 2;
  unsigned over : 2;
  bit released;
  unsigned open : 3;
  unsigned fresh : 3
};

/* A sending: to whom (`stale`: under a life that is over), and who accepted. */
typedef Sending {
  unsigned to : 3;
  unsigned accepted : 3;
#ifdef TALK
  unsigned stale : 3
#endif
};

Voter V[3];
Core C[2];
Ballot B[BALLOTS + 1];
Sending S[(BALLOTS + 1) * SENDINGS];
byte crashes;

#define SENT(b, s) S[(b) * SENDINGS + (s) - 1]
#define MAJORITY(x) ((x) == 3 || (x) >= 5)
#define OWN_VOTE(n) (PLANT_OWN_VOTE * (1 << (n)))
#define SERVES(n) (C[n].held != 0 || C[n].left != 0)
#define FORGET_VOTER_BIT(x, v) x = x & (7 - (1 << (v)))

/* Its core still uses that ballot. */
#define IS_LIVE(b) ((B[b].owner == 1 && (C[0].bid == b || C[0].held == b)) \
                 || (B[b].owner == 2 && (C[1].bid == b || C[1].held == b)) || PLANT_USED_AGAIN)

#if SENDINGS == 1
#define EACH_SENDING(DO, x) DO(x, 1)
#elif SENDINGS == 2
#define EACH_SENDING(DO, x) DO(x, 1); DO(x, 2)
#else
#define EACH_SENDING(DO, x) DO(x, 1); DO(x, 2); DO(x, 3)
#endif
#define UNCOUNT(b, s) SENT(b, s).accepted = 0
#define BURY(b) \
       if \
       :: !PLANT_USED_AGAIN -> \
          B[b].open = 0; B[b].fresh = 0; B[b].sent = 0; B[b].over = 0; EACH_SENDING(UNCOUNT, b) \
       :: else \
       fi

/* Somebody still serves under what voter v granted, counted from a sending no later than that. */
#define SERVED_BY(n, v) ((C[n].held == V[v].ballot && C[n].under <= V[v].sending) \
                      || (C[n].left == V[v].ballot && C[n].left_under <= V[v].sending) \
                      || (B[V[v].ballot].is_later && B[V[v].ballot].owner == n + 1))
#define IS_SERVED(v) (V[v].ballot != 0 && (SERVED_BY(0, v) || SERVED_BY(1, v)))

/* ---- a voter's answers ---- */

#define UNSEND_BELOW(v, b) \
       if \
       :: !PLANT_LIFE_IGNORED -> DROP_BELOW(v, b) \
       :: else \
       fi
#ifdef TALK
#define DROP_BELOW(v, b) skip
#define DROP(v, b) skip
#else
#define DROP_ONE(v, x) \
       if \
       :: x < V[v].promised -> EACH_SENDING(DROP_##v, x) \
       :: else \
       fi
#define DROP_0(b, s) FORGET_VOTER_BIT(SENT(b, s).to, 0)
#define DROP_1(b, s) FORGET_VOTER_BIT(SENT(b, s).to, 1)
#define DROP_2(b, s) FORGET_VOTER_BIT(SENT(b, s).to, 2)
#if BALLOTS == 2
#define DROP_BELOW(v, b) DROP_ONE(v, 1)
#elif BALLOTS == 3
#define DROP_BELOW(v, b) DROP_ONE(v, 1); DROP_ONE(v, 2)
#elif BALLOTS == 4
#define DROP_BELOW(v, b) DROP_ONE(v, 1); DROP_ONE(v, 2); DROP_ONE(v, 3)
#else
#define DROP_BELOW(v, b) DROP_ONE(v, 1); DROP_ONE(v, 2); DROP_ONE(v, 3); DROP_ONE(v, 4); DROP_ONE(v, 5)
#endif
#define DROP(v, b) EACH_SENDING(DROP_##v, b)
#endif

#define MAY_PROMISE(v, b) (B[b].owner && !V[v].abstains && b > V[v].promised)

#define PREPARE(v, b) \
  :: d_step { MAY_PROMISE(v, b) -> \
       V[v].is_open = (V[v].ballot == 0 || B[V[v].ballot].owner == B[b].owner || PLANT_ALWAYS_OPEN); \
       V[v].promised = b; V[v].is_released = 0; V[v].taken = 0; \
       printf("PREPARE voter %d ballot %d -> PROMISE open %d\n", v, b, V[v].is_open); \
       if \
       :: (V[v].is_open || PLANT_CARELESS) && IS_LIVE(b) && B[b].sent < SENDINGS -> \
          B[b].open = B[b].open | (1 << v); B[b].fresh = B[b].fresh | (1 << v) \
       :: else \
       fi; \
       UNSEND_BELOW(v, b); \
       if \
       :: !V[v].is_open && !PLANT_OPEN_MARK_IGNORED && !PLANT_LIFE_IGNORED -> DROP(v, b) \
       :: else \
       fi }

#define MAY_ACCEPT(v, b, s) ((SENT(b, s).to & (1 << v)) && !V[v].abstains \
       && (V[v].promised == b || (PLANT_BALLOT_ABOVE && b > V[v].promised)) \
       && (V[v].is_open || PLANT_OPEN_MARK_IGNORED) \
       && !(V[v].promised == b && V[v].is_released) && s > V[v].taken)

#define COUNTS(v, b, s) (IS_LIVE(b) && (s > B[b].over || PLANT_FROM_ARRIVAL) \
       && !(!PLANT_ADDED_UP && (C[0].held == b && s <= C[0].under || C[1].held == b && s <= C[1].under)))

#define PROPOSE(v, b, s) \
  :: d_step { MAY_ACCEPT(v, b, s) -> \
       V[v].taken = s; V[v].ballot = b; V[v].sending = s; \
       printf("PROPOSE voter %d ballot %d sending %d -> ACCEPT\n", v, b, s); \
       if \
       :: COUNTS(v, b, s) -> SENT(b, s).accepted = SENT(b, s).accepted | (1 << v) \
       :: else \
       fi }

#define IS_ENDED(v, b) (V[v].ballot == b \
       || (PLANT_RELEASE_ANY && V[v].ballot != 0 && B[V[v].ballot].owner == B[b].owner))

#define RELEASE(v, b) \
  :: d_step { B[b].released && (b > V[v].promised || (V[v].promised == b && !V[v].is_released) \
                               || (!V[v].abstains && IS_ENDED(v, b))) -> \
       if \
       :: !V[v].abstains && IS_ENDED(v, b) -> V[v].ballot = 0; V[v].sending = 0 \
       :: else \
       fi; \
       if \
       :: b >= V[v].promised -> \
          V[v].promised = b; V[v].is_open = 0; V[v].is_released = 1; V[v].taken = 0; \
          UNSEND_BELOW(v, b); \
          if \
          :: !PLANT_LIFE_IGNORED -> DROP(v, b) \
          :: else \
          fi \
       :: else \
       fi; \
       printf("RELEASE voter %d ballot %d\n", v, b) }

#define IS_OVER(b, s) \
       if \
       :: s <= B[b].over && !PLANT_FROM_ARRIVAL && !PLANT_ADDED_UP -> SENT(b, s).accepted = 0 \
       :: else \
       fi

#define RUN_OUT(v) \
  :: d_step { (V[v].ballot || V[v].abstains) && (!IS_SERVED(v) || PLANT_FROM_ARRIVAL || PLANT_CLOCK_FIRST) -> \
       b = V[v].ballot; \
       if \
       :: b && IS_LIVE(b) && B[b].over < V[v].sending -> \
          B[b].over = V[v].sending; EACH_SENDING(IS_OVER, b) \
       :: else \
       fi; \
       V[v].ballot = 0; V[v].sending = 0; \
       printf("TIME voter %d abstained %d\n", v, V[v].abstains); \
       V[v].abstains = 0; b = 0 }

/* ---- a candidate and Owner ---- */

/* The two Nodes are alike: whoever bids first is called 0. */
#define IS_SECOND (B[1].owner || B[2].owner || BID_ABOVE_2)
#if BALLOTS == 2
#define BID_ABOVE_2 0
#elif BALLOTS == 3
#define BID_ABOVE_2 B[3].owner
#elif BALLOTS == 4
#define BID_ABOVE_2 (B[3].owner || B[4].owner)
#else
#define BID_ABOVE_2 1
#endif

#define BID(n, b) \
  :: d_step { b > C[n].bid && b > C[n].held && (n == 0 || IS_SECOND) \
              && (!B[b].owner || (PLANT_USED_AGAIN && B[b].owner == n + 1 && !C[n].bid)) -> \
       printf("BID node %d ballot %d again %d\n", n, b, B[b].owner != 0); \
       if \
       :: C[n].bid && C[n].bid != C[n].held -> BURY(C[n].bid) \
       :: else \
       fi; \
       B[b].owner = n + 1; \
       B[b].is_later = SERVES(n); \
       C[n].bid = b }

#define SEND(n) \
  :: d_step { C[n].bid && B[C[n].bid].sent < SENDINGS && MAJORITY(B[C[n].bid].open | OWN_VOTE(n)) -> \
       b = C[n].bid; \
       B[b].sent = B[b].sent + 1; \
       SENT(b, B[b].sent).to = (PLANT_LIFE_IGNORED -> B[b].open : B[b].fresh); \
       STALE(b) \
       printf("SEND node %d ballot %d sending %d to %d\n", n, b, B[b].sent, B[b].open); \
       if \
       :: B[b].sent == SENDINGS && !PLANT_USED_AGAIN -> B[b].open = 0; B[b].fresh = 0 \
       :: else \
       fi; \
       b = 0 }
#ifdef TALK
#define STALE(b) SENT(b, B[b].sent).stale = B[b].open & (7 - B[b].fresh);
#else
#define STALE(b)
#endif

#if SENDINGS == 1
#define ALL_ACCEPTED(b) SENT(b, 1).accepted
#elif SENDINGS == 2
#define ALL_ACCEPTED(b) (SENT(b, 1).accepted | SENT(b, 2).accepted)
#else
#define ALL_ACCEPTED(b) (SENT(b, 1).accepted | SENT(b, 2).accepted | SENT(b, 3).accepted)
#endif

#define VOTES(n, b, s) ((PLANT_ADDED_UP && SENT(b, s).accepted \
       -> ALL_ACCEPTED(b) : SENT(b, s).accepted) | OWN_VOTE(n))

#define IS_COUNTED(b, s) \
       if \
       :: (s <= C[0].under && C[0].held == b || s <= C[1].under && C[1].held == b) && !PLANT_ADDED_UP -> \
          SENT(b, s).accepted = 0 \
       :: else \
       fi

#define WIN(n, b, s) \
  :: d_step { (C[n].bid == b || C[n].held == b) && B[b].sent >= s && MAJORITY(VOTES(n, b, s)) \
              && (s > B[b].over || PLANT_FROM_ARRIVAL) && (C[n].held != b || s > C[n].under) -> \
       printf("WIN node %d ballot %d sending %d held %d votes %d\n", n, b, s, C[n].held, VOTES(n, b, s)); \
       if \
       :: C[n].held != b -> \
          if \
          :: C[n].held -> BURY(C[n].held) \
          :: else \
          fi; \
          NONE_IS_LATER(n) \
       :: else \
       fi; \
       C[n].held = b; \
       C[n].under = (PLANT_LATE_EXTENDS -> B[b].sent : s); \
       C[n].left = 0; C[n].left_under = 0; \
       EACH_SENDING(IS_COUNTED, b); \
       assert(!SERVES(1 - n)) }

#define NONE_IS_LATER(n) UNLATER(n, 1); UNLATER(n, 2); UNLATER_3(n); UNLATER_4(n); UNLATER_5(n); UNLATER_6(n)
#define UNLATER(n, b) B[b].is_later = B[b].is_later && B[b].owner != n + 1
#define UNLATER_3(n) skip
#define UNLATER_4(n) skip
#define UNLATER_5(n) skip
#define UNLATER_6(n) skip
#if BALLOTS > 2
#undef UNLATER_3
#define UNLATER_3(n) UNLATER(n, 3)
#endif
#if BALLOTS > 3
#undef UNLATER_4
#define UNLATER_4(n) UNLATER(n, 4)
#endif
#if BALLOTS > 4
#undef UNLATER_5
#define UNLATER_5(n) UNLATER(n, 5)
#endif
#if BALLOTS > 5
#undef UNLATER_6
#define UNLATER_6(n) UNLATER(n, 6)
#endif

#define FORGET_BALLOTS(n) \
       if \
       :: C[n].bid && C[n].bid != C[n].held -> BURY(C[n].bid) \
       :: else \
       fi; \
       if \
       :: C[n].held -> BURY(C[n].held) \
       :: else \
       fi; \
       C[n].bid = 0; C[n].held = 0; C[n].under = 0; \
       if \
       :: !C[n].left -> NONE_IS_LATER(n) \
       :: else \
       fi

#define LAPSE(n) \
  :: d_step { C[n].held -> \
       printf("LAPSE node %d\n", n); \
       if \
       :: PLANT_USED_ON -> \
          if \
          :: C[n].bid != C[n].held -> BURY(C[n].bid) \
          :: else \
          fi; \
          B[C[n].held].over = C[n].under; C[n].bid = C[n].held; C[n].held = 0; C[n].under = 0 \
       :: else -> FORGET_BALLOTS(n) \
       fi } \
  :: d_step { C[n].left -> \
       printf("LEFT node %d\n", n); \
       C[n].left = 0; C[n].left_under = 0; \
       NONE_IS_LATER(n) }

#define SAY_RELEASE(n) \
       B[C[n].held].released = 1; \
       if \
       :: C[n].bid > C[n].held && B[C[n].bid].sent -> B[C[n].bid].released = 1 \
       :: else \
       fi

#define LET_GO(n) \
  :: d_step { C[n].held -> \
       printf("LET_GO node %d\n", n); \
       SAY_RELEASE(n); \
       FORGET_BALLOTS(n) }

/* ---- what dies ---- */

#define CORE_DIES(n) \
       if \
       :: C[n].held -> C[n].left = C[n].held; C[n].left_under = C[n].under \
       :: else \
       fi; \
       FORGET_BALLOTS(n)

#define CRASH(n) \
  :: d_step { crashes < CRASHES && (C[n].bid || C[n].held) -> \
       printf("CRASH node %d\n", n); \
       crashes++; \
       CORE_DIES(n) } \
  :: d_step { crashes < CRASHES && C[n].held -> \
       printf("GOODBYE node %d\n", n); \
       crashes++; \
       SAY_RELEASE(n); \
       if \
       :: PLANT_GOODBYE_FOR_THE_SLOW \
       :: !PLANT_GOODBYE_FOR_THE_SLOW && PLANT_GOODBYE_FIRST -> CORE_DIES(n) \
       :: else -> FORGET_BALLOTS(n) \
       fi }

#define ADOPT(n, v) \
  :: d_step { PLANT_ADOPTED && crashes && !C[n].bid && !C[n].held && !V[v].abstains \
              && V[v].ballot && B[V[v].ballot].owner == n + 1 -> \
       printf("ADOPT node %d voter %d\n", n, v); \
       C[n].bid = V[v].ballot; C[n].held = V[v].ballot; C[n].under = V[v].sending; \
       C[n].left = 0; C[n].left_under = 0; \
       assert(!SERVES(1 - n)) }

#ifdef TALK
#define LOSE_SENDING(v, b, s) \
       SENT(b, s).stale = SENT(b, s).stale | (SENT(b, s).to & (1 << v)); FORGET_VOTER_BIT(SENT(b, s).to, v)
#else
#define LOSE_SENDING(v, b, s) FORGET_VOTER_BIT(SENT(b, s).to, v)
#endif
#define LOSE_0(b, s) LOSE_SENDING(0, b, s)
#define LOSE_1(b, s) LOSE_SENDING(1, b, s)
#define LOSE_2(b, s) LOSE_SENDING(2, b, s)
#define LOSE_ALL(v, b) FORGET_VOTER_BIT(B[b].fresh, v); EACH_SENDING(LOSE_##v, b)
#if BALLOTS == 2
#define STALE_ALL(v) LOSE_ALL(v, 1); LOSE_ALL(v, 2)
#elif BALLOTS == 3
#define STALE_ALL(v) LOSE_ALL(v, 1); LOSE_ALL(v, 2); LOSE_ALL(v, 3)
#elif BALLOTS == 4
#define STALE_ALL(v) LOSE_ALL(v, 1); LOSE_ALL(v, 2); LOSE_ALL(v, 3); LOSE_ALL(v, 4)
#else
#define STALE_ALL(v) LOSE_ALL(v, 1); LOSE_ALL(v, 2); LOSE_ALL(v, 3); LOSE_ALL(v, 4); LOSE_ALL(v, 5); LOSE_ALL(v, 6)
#endif

#define FORGETS(v) \
       crashes++; \
       printf("FORGET voter %d\n", v); \
       if \
       :: !PLANT_LIFE_IGNORED -> STALE_ALL(v) \
       :: else \
       fi; \
       V[v].promised = 0; V[v].is_open = 0; V[v].is_released = 0; V[v].taken = 0; \
       if \
       :: PLANT_NO_ABSTENTION -> V[v].ballot = 0; V[v].sending = 0 \
       :: else -> V[v].abstains = 1 \
       fi

#define FORGET_NODE(n) :: d_step { crashes < CRASHES -> FORGETS(n); CORE_DIES(n) }
#define FORGET_WITNESS :: d_step { crashes < CRASHES -> FORGETS(2) }

/* ---- answers that change nothing, or only what a voter promises after its abstention ---- */

#ifdef TALK
#define HEARS(v, b) \
       if \
       :: b > V[v].promised -> V[v].promised = b; V[v].is_open = 0; V[v].is_released = 0; V[v].taken = 0 \
       :: else \
       fi
#define IDLE_TALK(v, b) \
  :: d_step { B[b].owner && V[v].abstains -> \
       printf("PREPARE voter %d ballot %d -> ABSTAIN\n", v, b); \
       HEARS(v, b) } \
  :: d_step { B[b].owner && !V[v].abstains && V[v].promised == b && V[v].is_open -> \
       printf("PREPARE voter %d ballot %d -> PROMISE open 1\n", v, b) } \
  :: d_step { B[b].owner && !V[v].abstains && !MAY_PROMISE(v, b) && !(V[v].promised == b && V[v].is_open) -> \
       printf("PREPARE voter %d ballot %d -> REFUSE\n", v, b) }
#define IDLE_PROPOSE(v, b, s) \
  :: d_step { (SENT(b, s).stale & (1 << v)) && !V[v].abstains -> \
       printf("STALE voter %d ballot %d sending %d -> REFUSE\n", v, b, s) } \
  :: d_step { ((SENT(b, s).stale | SENT(b, s).to) & (1 << v)) && V[v].abstains -> \
       if \
       :: SENT(b, s).to & (1 << v) -> printf("PROPOSE voter %d ballot %d sending %d -> ABSTAIN\n", v, b, s) \
       :: else -> printf("STALE voter %d ballot %d sending %d -> ABSTAIN\n", v, b, s) \
       fi; \
       HEARS(v, b) } \
  :: d_step { (SENT(b, s).to & (1 << v)) && !V[v].abstains && !MAY_ACCEPT(v, b, s) -> \
       if \
       :: V[v].promised != b || !V[v].is_open || V[v].is_released -> \
          printf("PROPOSE voter %d ballot %d sending %d -> REFUSE\n", v, b, s) \
       :: else -> \
          if \
          :: s == V[v].taken && V[v].ballot -> \
             printf("PROPOSE voter %d ballot %d sending %d -> ACCEPT\n", v, b, s) \
          :: else -> \
             printf("PROPOSE voter %d ballot %d sending %d -> NOTHING\n", v, b, s) \
          fi \
       fi }
#else
#define IDLE_TALK(v, b)
#define IDLE_PROPOSE(v, b, s)
#endif

/* ---- everything that may happen next ---- */

#define FOR_BALLOT_AND_SENDING(b, s) \
  PROPOSE(0, b, s) PROPOSE(1, b, s) PROPOSE(2, b, s) \
  IDLE_PROPOSE(0, b, s) IDLE_PROPOSE(1, b, s) IDLE_PROPOSE(2, b, s) \
  WIN(0, b, s) WIN(1, b, s)
#if SENDINGS == 1
#define FOR_SENDINGS(b) FOR_BALLOT_AND_SENDING(b, 1)
#elif SENDINGS == 2
#define FOR_SENDINGS(b) FOR_BALLOT_AND_SENDING(b, 1) FOR_BALLOT_AND_SENDING(b, 2)
#else
#define FOR_SENDINGS(b) FOR_BALLOT_AND_SENDING(b, 1) FOR_BALLOT_AND_SENDING(b, 2) FOR_BALLOT_AND_SENDING(b, 3)
#endif
#define FOR_BALLOT(b) \
  BID(0, b) BID(1, b) \
  PREPARE(0, b) PREPARE(1, b) PREPARE(2, b) \
  RELEASE(0, b) RELEASE(1, b) RELEASE(2, b) \
  IDLE_TALK(0, b) IDLE_TALK(1, b) IDLE_TALK(2, b) \
  FOR_SENDINGS(b)

active proctype world()
{
  byte b;

  do
  FOR_BALLOT(1)
  FOR_BALLOT(2)
#if BALLOTS > 2
  FOR_BALLOT(3)
#endif
#if BALLOTS > 3
  FOR_BALLOT(4)
#endif
#if BALLOTS > 4
  FOR_BALLOT(5)
#endif
#if BALLOTS > 5
  FOR_BALLOT(6)
#endif
  SEND(0) SEND(1)
  LAPSE(0) LAPSE(1)
  LET_GO(0) LET_GO(1)
  RUN_OUT(0) RUN_OUT(1) RUN_OUT(2)
#if CRASHES > 0
  CRASH(0) CRASH(1)
  FORGET_NODE(0) FORGET_NODE(1)
  FORGET_WITNESS
#endif
#if PLANT_ADOPTED
  ADOPT(0, 0) ADOPT(0, 1) ADOPT(0, 2)
  ADOPT(1, 0) ADOPT(1, 1) ADOPT(1, 2)
#endif
  od
}
