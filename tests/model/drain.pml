/* drain.pml - the drain acknowledgement: publish, switch, count, crash, hand-over.
 *
 * What is checked. An instance is stopped only when no gateway has picked it or has a request in
 * flight there, and the slot and port of its endpoint are given to a new instance only when no
 * live gateway routes by a plan that still has the old one - whoever crashes, at whichever step.
 * And: as long as gateways keep turning and requests end, every drain ends.
 *
 * What stands for what:
 *   plan_*, image_*           src/board/board.c          two images and the current generation
 *   claimed[]                 src/board/board.c          which live slot belongs to a gateway
 *   ack[], count[]            src/board/live.c           generations and counts, one writer each
 *   read_generations/_counts  src/board/sum.c            the drain check
 *   proctype worker           src/gateway/snapshot.c, worker.c (switch and acknowledge at the top
 *                             of a turn), attempt.c (pick, count, end of the count)
 *   proctype keeper           src/keeper/keeper.c        claim, exec, reap, hand-over
 *   proctype controller       src/controller/publisher.c publish, wait, stop, reuse
 *   proctype accident         kill -9 of a gateway or of the controller, at any step
 *
 * Each store to shared memory is a step of its own. The model allows more than the code does: a
 * worker here may pick without having looked at the plan first, which covers a turn that began
 * before a publish and picks after it. With -DPLAN_STEPS a plan is written and copied in single
 * steps and proved to be taken whole; without, each is one step, which that proof justifies.
 * Not modelled: the bell (a worker here turns by itself; in the gateway the bell wakes it), and the
 * drain deadline (which gives up on purpose, and records what it cost).
 *
 * tests/model/run checks it, and then with each -DBREAK_..., which takes one rule away: spin must
 * find the harm, or the model would prove nothing. */

#ifndef SLOTS
#define SLOTS 2
#endif
#ifndef DRAINS
#define DRAINS 1 /* endpoints that go through drain, stop and reuse; the others stay ready */
#endif
#ifndef USED
#define USED 2 /* endpoints that get requests */
#endif
#ifndef GATEWAY_CRASHES
#define GATEWAY_CRASHES 1
#endif
#ifndef CONTROLLER_CRASHES
#define CONTROLLER_CRASHES 1
#endif
#ifndef HANDOVERS
#define HANDOVERS 1
#endif

#define WORKERS   2
#define ENDPOINTS 2
#define THREADS   (SLOTS * WORKERS)
#define NONE      3
#define IMAGES    2

/* States of an endpoint in a plan, and further ones of its instance in the store. */
#define ABSENT   0
#define READY    1
#define DRAINING 2
#define STOPPED  3
#define STARTING 4

/* The board. Worker w of slot s is thread s * WORKERS + w. */
byte plan_gen; /* 0: nothing published yet */
byte image_state[IMAGES * ENDPOINTS];
byte image_inc[IMAGES * ENDPOINTS];
bit claimed[SLOTS];
byte ack[THREADS];              /* generation the worker routes by; 0: none yet */
bit count[THREADS * ENDPOINTS]; /* requests in flight */

/* The store, which survives the controller, and the instances themselves. */
byte want[ENDPOINTS] = READY;
byte want_inc[ENDPOINTS] = 1;
bit up[ENDPOINTS] = 1;
byte up_inc[ENDPOINTS] = 1;

/* Processes, as the kernel knows them. */
bit alive[SLOTS];
bit told_to_stop[SLOTS];
byte threads[SLOTS]; /* a bit for each; waitpid() answers when the last one is gone */
bit kill_controller;

/* The truth, for assertions only. */
byte holds[THREADS] = NONE;      /* endpoint of the request that is picked or running */
byte knows[THREADS * ENDPOINTS]; /* incarnation in the worker's snapshot; 0: none */
#ifdef PLAN_STEPS
byte image_made[IMAGES * ENDPOINTS]; /* by which generation this part was written */
#endif
bit drains_over;                 /* every drain came to its end, and so does the run */

#define SLOT(t)     ((t) / WORKERS)
#define BIT(t)      (1 << ((t) % WORKERS))
#define ENTRY(t, e) ((t) * ENDPOINTS + (e))
#ifdef BREAK_ONE_IMAGE
#define PART(generation, e) (e)
#else
#define PART(generation, e) (((generation) % IMAGES) * ENDPOINTS + (e))
#endif
#define DEAD(s)     (!alive[s] && threads[s] == 0)
#define IDLE(s)     (holds[(s) * WORKERS] == NONE && holds[(s) * WORKERS + 1] == NONE)
#define SERVES(s)   (claimed[s] && alive[s] && ack[(s) * WORKERS] && ack[(s) * WORKERS + 1])
#if SLOTS == 2
#define NOT_STARTED(s) (!claimed[s] && DEAD(s))
#else
#define NOT_STARTED(s) (!claimed[0] && DEAD(0))
#endif

/* A worker of itself. */
#define LIVES   (alive[SLOT(me)] && !drains_over)
#define HELD    (holds[me] != NONE)
#define COUNTED (count[ENTRY(me, holds[me])])
#ifdef BREAK_COUNT_IN_LATER_TURN
#define TURN_OVER true
#else
#define TURN_OVER (!HELD || COUNTED)
#endif

/* A turn is settled, and its work may begin, when the generation switched to is acknowledged. */
#define SETTLED (ack[me] == gen)

/* For "every drain ends", where the model must not allow more: a turn looks at the plan first. */
#ifdef LIVENESS
#define LOOKED (gen == plan_gen)
#else
#define LOOKED true
#endif
#define MAY_PICK(e) (!HELD && !told_to_stop[SLOT(me)] && LOOKED && state[e] == READY)

inline learn()
{
    knows[ENTRY(me, 0)] = (state[0] == ABSENT -> 0 : inc[0]);
    knows[ENTRY(me, 1)] = (state[1] == ABSENT -> 0 : inc[1])
}

inline switch_plan()
{
    gen = plan_gen;
    state[0] = image_state[PART(gen, 0)];
    inc[0] = image_inc[PART(gen, 0)];
    state[1] = image_state[PART(gen, 1)];
    inc[1] = image_inc[PART(gen, 1)];
    learn()
}

#ifdef PLAN_STEPS
inline copy_part(e)
{
    new_state[e] = image_state[PART(new_gen, e)];
    new_inc[e] = image_inc[PART(new_gen, e)];
    new_made[e] = image_made[PART(new_gen, e)]
}

inline take_part(e)
{
    state[e] = new_state[e];
    inc[e] = new_inc[e]
}

inline switch_plan_in_steps()
{
    new_gen = plan_gen;
    atomic { copy_part(0) }
    atomic { copy_part(1) }
    atomic {
        if
#ifndef BREAK_NO_RECHECK
        :: plan_gen != new_gen || !LIVES /* overtaken: the old snapshot stays, for now */
#endif
        :: else ->
            assert(new_made[0] == new_gen && new_made[1] == new_gen);
            gen = new_gen;
            take_part(0);
            take_part(1);
            learn()
        fi;
        new_gen = 0;
        new_state[0] = 0;
        new_inc[0] = 0;
        new_made[0] = 0;
        new_state[1] = 0;
        new_inc[1] = 0;
        new_made[1] = 0
    }
}
#endif

inline pick(e)
{
    holds[me] = e;
    assert(up[e] && up_inc[e] == inc[e]) /* it goes to the instance that was picked */
}

inline leave()
{
    threads[SLOT(me)] = threads[SLOT(me)] & ~BIT(me);
    holds[me] = NONE;
    knows[ENTRY(me, 0)] = 0;
    knows[ENTRY(me, 1)] = 0;
    gen = 0;
    state[0] = 0;
    state[1] = 0;
    inc[0] = 0;
    inc[1] = 0
}

/* A gateway thread. It switches and then acknowledges at the top of a turn; a pick is counted in
 * the turn that made it; the count falls when the request is wholly over. */
proctype worker(byte me)
{
    byte gen, state[ENDPOINTS], inc[ENDPOINTS];
#ifdef PLAN_STEPS
    byte new_gen, new_state[ENDPOINTS], new_inc[ENDPOINTS], new_made[ENDPOINTS];
#endif

end_parked:
    do
    /* The top of a turn: switch, then acknowledge. */
#ifdef PLAN_STEPS
    :: LIVES && SETTLED && TURN_OVER && gen != plan_gen -> switch_plan_in_steps()
#elif defined(BREAK_ACK_BEFORE_SWITCH)
    :: atomic { LIVES && SETTLED && TURN_OVER && gen != plan_gen -> ack[me] = plan_gen }
    :: atomic { LIVES && !SETTLED -> switch_plan() }
    :: atomic { LIVES && MAY_PICK(0) -> pick(0) }
#else
    :: atomic { LIVES && SETTLED && TURN_OVER && gen != plan_gen -> switch_plan() }
#endif
#ifndef BREAK_ACK_BEFORE_SWITCH
    :: atomic { LIVES && !SETTLED -> ack[me] = gen }
#endif
    /* Its work. */
    :: atomic { LIVES && SETTLED && MAY_PICK(0) -> pick(0) }
#if USED == 2
    :: atomic { LIVES && SETTLED && MAY_PICK(1) -> pick(1) }
#endif
    :: atomic { LIVES && SETTLED && HELD && !COUNTED -> count[ENTRY(me, holds[me])] = 1 }
#ifdef BREAK_COUNT_ENDS_EARLY
    :: LIVES && SETTLED && HELD && COUNTED ->
        count[ENTRY(me, holds[me])] = 0;
        holds[me] = NONE
#else
    :: atomic {
        LIVES && SETTLED && HELD && COUNTED ->
        count[ENTRY(me, holds[me])] = 0;
        holds[me] = NONE
    }
#endif
    :: atomic { LIVES && told_to_stop[SLOT(me)] && IDLE(SLOT(me)) -> alive[SLOT(me)] = 0 }
    /* The process has died, and with it the thread's connections. */
    :: atomic { !LIVES && threads[SLOT(me)] & BIT(me) -> leave() }
    od
}

/* A fresh live file, then the claim: until then nobody reads it. */
inline claim(s)
{
#ifndef BREAK_STALE_LIVE_FILE
    ack[(s) * WORKERS] = 0;
    ack[(s) * WORKERS + 1] = 0;
    count[ENTRY((s) * WORKERS, 0)] = 0;
    count[ENTRY((s) * WORKERS, 1)] = 0;
    count[ENTRY((s) * WORKERS + 1, 0)] = 0;
    count[ENTRY((s) * WORKERS + 1, 1)] = 0;
#endif
    claimed[s] = 1
}

inline exec(s)
{
    alive[s] = 1;
    threads[s] = BIT(0) | BIT(1)
}

inline start(s)
{
#ifdef BREAK_CLAIM_AFTER_EXEC
    exec(s);
    claim(s)
#else
    claim(s);
    exec(s)
#endif
}

/* Claims a slot before exec; frees it only when waitpid() has answered. */
proctype keeper()
{
    byte handovers;

end_serving:
    do
    :: atomic { claimed[0] && DEAD(0) -> claimed[0] = 0; told_to_stop[0] = 0 }
    :: NOT_STARTED(0) && NOT_STARTED(1) -> start(0)
#if SLOTS == 2
    :: atomic { claimed[1] && DEAD(1) -> claimed[1] = 0; told_to_stop[1] = 0 }
    /* Hand-over: another gateway in the other slot; when it serves, the old one is told to stop. */
    :: handovers < HANDOVERS && SERVES(0) && NOT_STARTED(1) ->
        handovers++;
        start(1)
    :: atomic {
        SERVES(0) && SERVES(1) && !told_to_stop[0] ->
        told_to_stop[0] = 1;
#ifdef BREAK_FREE_BEFORE_REAP
        claimed[0] = 0
#endif
    }
#endif
    od
}

inline write_part(n)
{
    image_state[PART(plan_gen + 1, n)] = (want[n] <= DRAINING -> want[n] : ABSENT);
    image_inc[PART(plan_gen + 1, n)] = want_inc[n];
#ifdef PLAN_STEPS
    image_made[PART(plan_gen + 1, n)] = plan_gen + 1
#endif
}

/* Writes the whole plan, from the store, into the image that is not current, and makes it so. */
inline publish()
{
#ifdef PLAN_STEPS
    atomic { write_part(0) }
    atomic { write_part(1) }
    atomic {
        plan_gen++;
        generation = plan_gen
    }
#else
    atomic {
        write_part(0);
        write_part(1);
        plan_gen++;
        generation = plan_gen
    }
#endif
}

/* The acknowledgement: first the generations of every claimed slot, then the counts. */
inline read_generations()
{
    do
    :: atomic { acked && i < THREADS -> acked = (!claimed[SLOT(i)] || ack[i] >= generation); i++ }
    :: atomic { else -> i = 0; break }
    od
}

inline read_counts()
{
    do
    :: atomic { acked && i < THREADS -> acked = (!claimed[SLOT(i)] || !count[ENTRY(i, e)]); i++ }
    :: atomic { else -> i = 0; break }
    od
}

inline await_acknowledgement()
{
    acked = 0;
    do
    :: !acked ->
        acked = 1;
#ifdef BREAK_COUNTS_FIRST
        read_counts();
        read_generations()
#elif defined(BREAK_COUNTS_ALONE)
        read_counts()
#elif defined(BREAK_GENERATIONS_ALONE)
        read_generations()
#else
        read_generations();
        read_counts()
#endif
    :: acked -> acked = 0; break
    od
}

/* Nothing may be picked for, or in flight at, an instance that is stopped. */
inline stop()
{
    d_step {
        do
        :: i < THREADS -> assert(!alive[SLOT(i)] || holds[i] != e); i++
        :: else -> i = 0; break
        od;
        up[e] = 0
    }
}

/* No live gateway may still know the old endpoint when its slot and port are given away. */
inline reuse()
{
    d_step {
        do
        :: i < THREADS -> assert(!alive[SLOT(i)] || knows[ENTRY(i, e)] == 0); i++
        :: else -> i = 0; break
        od;
        up[e] = 1;
        up_inc[e] = 2
    }
}

/* Takes DRAINS endpoints, one after the other, through drain, stop and reuse. What it must not
 * forget is in the store before it is acted on: after a crash it goes on from there. */
proctype controller()
{
    byte e, i, generation;
    bit acked;

begin:
    {
#ifdef BREAK_RESTART_TRUSTS_PLAN
        if
        :: plan_gen == 0 -> publish()
        :: else -> generation = plan_gen
        fi;
#else
        publish();
#endif
        do
        :: e == DRAINS -> break
        :: e < DRAINS && want[e] == READY && want_inc[e] == 2 -> e++
        :: e < DRAINS && want[e] == READY && want_inc[e] == 1 ->
            want[e] = DRAINING;
            publish()
        :: e < DRAINS && want[e] == DRAINING ->
            await_acknowledgement();
            want[e] = STOPPED
        :: e < DRAINS && want[e] == STOPPED ->
            stop();
            publish();
#ifndef BREAK_REUSE_AT_ONCE
            await_acknowledgement();
#endif
            want[e] = STARTING
        :: e < DRAINS && want[e] == STARTING ->
            if
            :: !up[e] -> reuse()
            :: else /* a predecessor started it: adopted */
            fi;
            atomic {
                want[e] = READY;
                want_inc[e] = 2
            }
            publish()
        od;
        drains_over = 1;
#ifdef BREAK_REACHES_END
        assert(!SERVES(1) || claimed[0]); /* false after a hand-over: such runs do get here */
#endif
end_idle:
        false
    } unless { kill_controller };
    atomic {
        kill_controller = 0;
        e = 0;
        i = 0;
        acked = 0;
        generation = 0;
        goto begin
    }
}

proctype accident()
{
    byte gateways, controllers;

end_quiet:
    do
    :: atomic { gateways < GATEWAY_CRASHES && alive[0] -> gateways++; alive[0] = 0 }
#if SLOTS == 2
    :: atomic { gateways < GATEWAY_CRASHES && alive[1] -> gateways++; alive[1] = 0 }
#endif
    :: atomic {
        controllers < CONTROLLER_CRASHES && !kill_controller ->
        controllers++;
        kill_controller = 1
    }
    od
}

init {
    byte i;

    atomic {
        do
        :: i < THREADS -> run worker(i); i++
        :: else -> break
        od;
        i = 0;
        run keeper();
        run controller();
        run accident()
    }
}

#ifdef LIVENESS
ltl every_drain_ends { <> drains_over }
#endif
