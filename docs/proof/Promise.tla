------------------------------ MODULE Promise ------------------------------
\* One learner in one run: what an event sets off, and all that can come between. An action is one commit
\* of the database, one question to Open edX, one thing that a person does, or one mishap. README.md says
\* what is promised; a test holds the code against each step (site_tests/proof).
EXTENDS Integers

CONSTANTS Webs, Workers, Sweeps,  \* processes, by name; each does one thing at a time
          Passes,                 \* how often the learner passes; each time an event is sent
          Acts,                   \* how often people act: pay, take back, revoke, replay, ...
          Mishaps,                \* kills, failovers, and times in which Open edX is down or lies
          Skew,                   \* ticks that the clock of another database may be ahead or behind
          Moods, Falls,           \* what else Open edX may be but well, and a pass may become
          Tries,                  \* of the sender
          Patience,               \* so often "not passed" is asked again
          Zero, GiveUp            \* ticks until a 0.0 counts, until a request that fails is given up
Lease == 1  Wait == 1  Window == 1  \* ticks
None == -9                        \* no moment

VARIABLES edx,     \* the grade that Open edX has committed; whether a pass is still to be; its mood
          sender,  \* tries left, and the process that it waits for
          db,      \* whether the database takes writes
          row,     \* the learner's latest request: left to the lease's end, due in, failing for
          grade, paid, certs, revoked, note,  \* stored; note: how long ago a 0.0 was reported first
          at,      \* what each process is at, and what it remembers
          left,    \* of Passes, Acts and Mishaps
          owed, passed  \* for the properties: an event is not settled; Open edX had a pass
vars == <<edx, sender, db, row, grade, paid, certs, revoked, note, at, left, owed, passed>>
stored == <<grade, paid, certs, revoked, note>>

Procs == Webs \cup Workers \cup Sweeps
Idle == [pc |-> "idle", n |-> 0, told |-> "", fresh |-> FALSE, late |-> FALSE, old |-> FALSE]
NoRow == [status |-> "none", lease |-> "none", left |-> 0, n |-> 0, patience |-> 0, due |-> 0,
          failing |-> None]
Bound(t, low, high) == IF t < low THEN low ELSE IF t > high THEN high ELSE t
Spend(what) == left[what] > 0 /\ left' = [left EXCEPT ![what] = @ - 1]
\* A moment that is further away than any wait was written while a clock was wrong: nothing waits for it.
IsToCome(t, longest) == 0 < t /\ t <= longest
IsOpen == row.status = "open"
AtWork == row.lease # "none" /\ IsToCome(row.left, 2 * Lease)
IsDue == ~IsToCome(row.due, 2 * Wait)
Released(r) == [r EXCEPT !.lease = "none", !.left = 0]
Ended(status) == [NoRow EXCEPT !.status = status, !.left = IF status = "unpaid" THEN Window ELSE 0]
Goes(p, pc) == at' = [at EXCEPT ![p] = [Idle EXCEPT !.pc = pc]]
After(p) == Goes(p, IF p \in Webs THEN "replying" ELSE "idle")
\* Something new is known. Whoever is asked from now on knows it too; an answer of before does not count.
Joined(r) == [r EXCEPT !.n = @ + 1, !.due = 0, !.patience = 0,
                       !.failing = IF @ = None THEN None ELSE 0]
News == owed' = TRUE
Stale(processes) == [q \in Procs |-> [processes[q] EXCEPT !.fresh = FALSE]]

Init == /\ edx = [grade |-> "failed", passes |-> FALSE, mood |-> "well"]
        /\ sender = [left |-> 0, on |-> "none"] /\ db = TRUE /\ row = NoRow
        /\ grade = "none" /\ paid \in BOOLEAN /\ certs = 0 /\ revoked = FALSE /\ note = None
        /\ at = [p \in Procs |-> Idle] /\ owed = FALSE /\ passed = FALSE
        /\ left = [passes |-> Passes, acts |-> Acts, mishaps |-> Mishaps]

-----------------------------------------------------------------------------
\* Open edX. Its event leaves from within the transaction of the grade, which may still fail.
Pass == /\ edx.grade # "passed" /\ ~edx.passes /\ sender = [left |-> 0, on |-> "none"] /\ Spend("passes")
        /\ edx' = [edx EXCEPT !.passes = TRUE] /\ sender' = [sender EXCEPT !.left = Tries]
        /\ UNCHANGED <<db, row, stored, at, owed, passed>>
RollBack == /\ edx.passes /\ edx' = [edx EXCEPT !.passes = FALSE]
            /\ UNCHANGED <<sender, db, row, stored, at, left, owed, passed>>
Fall(g) == /\ edx.grade = "passed" /\ edx' = [edx EXCEPT !.grade = g]
           /\ UNCHANGED <<sender, db, row, stored, at, left, owed, passed>>
Fails(mood) == /\ edx.mood = "well" /\ edx' = [edx EXCEPT !.mood = mood] /\ Spend("mishaps")
               /\ UNCHANGED <<sender, db, row, stored, at, owed, passed>>
Recover == /\ edx.mood # "well" /\ edx' = [edx EXCEPT !.mood = "well"]
           /\ UNCHANGED <<sender, db, row, stored, at, left, owed, passed>>
Answers == CASE edx.mood = "well" -> {edx.grade}
             [] edx.mood = "down" -> {"cannot"}           \* an error, nonsense, or no answer in time
             [] OTHER -> {"zero", "cannot"}               \* or the grade of another learner: refused

\* The sender: three tries, and it forgets.
Knock(w) == /\ sender.left > 0 /\ sender.on = "none" /\ at[w] = Idle
            /\ sender' = [left |-> sender.left - 1, on |-> w] /\ Goes(w, "knocked")
            /\ UNCHANGED <<edx, db, row, stored, left, owed, passed>>
TimeOut == /\ sender.on # "none" /\ sender' = [sender EXCEPT !.on = "none"]
           /\ UNCHANGED <<edx, db, row, stored, at, left, owed, passed>>
Reply(w) == /\ at[w].pc = "replying" /\ Goes(w, "idle")
            /\ sender' = IF sender.on = w THEN [left |-> 0, on |-> "none"] ELSE sender
            /\ UNCHANGED <<edx, db, row, stored, left, owed, passed>>

\* An event: see what is there, hold it, ask, write, settle.
See(w) == /\ db /\ at[w].pc = "knocked" /\ Goes(w, IF certs > 0 THEN "replying" ELSE "seen")
          /\ UNCHANGED <<edx, sender, db, row, stored, left, owed, passed>>
\* Nothing is to be held if there is a certificate by now, or if a payment is all that is wanted still.
Accept(w, asks) ==
    /\ db /\ at[w].pc = "seen"
    /\ IF certs > 0
       THEN Goes(w, "knocked") /\ UNCHANGED <<row, owed>>
       ELSE IF row.status = "unpaid" /\ IsToCome(row.left, Window) /\ ~paid /\ grade = "passed"
       THEN Goes(w, "replying") /\ owed' = (owed \/ paid \/ grade # "passed") /\ UNCHANGED row
       ELSE LET held == Joined(IF IsOpen THEN row ELSE [NoRow EXCEPT !.status = "open"])
                isMine == asks /\ ~(IsOpen /\ AtWork)
            IN /\ row' = IF IsOpen /\ AtWork THEN held
                         ELSE IF asks THEN [held EXCEPT !.lease = w, !.left = Lease] ELSE Released(held)
               /\ at' = Stale([at EXCEPT ![w] = [Idle EXCEPT !.pc = IF isMine THEN "claimed" ELSE "replying",
                                                             !.n = IF isMine THEN held.n ELSE 0]])
               /\ News
    /\ UNCHANGED <<edx, sender, db, stored, left, passed>>
Claim(k) == /\ db /\ at[k] = Idle /\ IsOpen /\ ~AtWork /\ IsDue
            /\ row' = [row EXCEPT !.lease = k, !.left = Lease]
            /\ at' = [at EXCEPT ![k] = [Idle EXCEPT !.pc = "claimed", !.n = row.n,
                                                    !.old = row.failing >= GiveUp]]
            /\ UNCHANGED <<edx, sender, db, stored, left, owed, passed>>
Ask(p) == /\ at[p].pc = "claimed" \/ (p \in Sweeps /\ at[p] = Idle)
          /\ \E told \in Answers : /\ p \in Sweeps => told # "cannot"
                                   /\ at' = [at EXCEPT ![p] = [@ EXCEPT !.pc = "told", !.told = told,
                                                                        !.fresh = p \notin Sweeps]]
          /\ UNCHANGED <<edx, sender, db, row, stored, left, owed, passed>>
Defer(p) == /\ db /\ at[p].pc = "told" /\ at[p].told = "cannot" /\ After(p)
            /\ LET isMine == IsOpen /\ row.lease = p
                   ends == isMine /\ at[p].old /\ row.n = at[p].n
               IN /\ row' = IF ends THEN Ended("failed")
                            ELSE IF isMine THEN [Released(row) EXCEPT !.due = Wait, !.failing = Bound(@, 0, GiveUp)]
                            ELSE row
                  /\ owed' = (owed /\ ~ends)
            /\ UNCHANGED <<edx, sender, db, stored, left, passed>>
Judged(told, late) ==
    LET isZero == told = "zero"
        As(g, c, t, out) == [grade |-> g, certs |-> c, note |-> t, out |-> out]
    IN CASE certs > 0 /\ isZero /\ grade # "zero" /\ note < 0 -> As(grade, certs, 0, "certified")
         [] certs > 0 /\ isZero /\ grade # "zero" /\ note < Zero -> As(grade, certs, note, "certified")
         [] certs > 0 /\ isZero /\ ~revoked -> As(told, 0, None, "notpassed")
         [] certs > 0 -> As(told, certs, IF isZero \/ late THEN note ELSE None, "certified")
         [] told = "passed" /\ paid -> As(told, certs + 1, None, "certified")
         [] told = "passed" -> As(told, certs, None, "unpaid")
         [] OTHER -> As(told, certs, None, "notpassed")
Write(p) == /\ db /\ at[p].pc = "told" /\ at[p].told # "cannot"
            /\ LET now == Judged(IF at[p].late THEN grade ELSE at[p].told, at[p].late)
                   others == [q \in Procs |-> [at[q] EXCEPT !.late = @ \/ (at[q].pc = "told" /\ now.grade # grade)]]
                   isCertified == now.out = "certified"
                   settles == isCertified /\ IsOpen /\ p \notin Sweeps
               IN /\ grade' = now.grade /\ certs' = now.certs /\ note' = now.note
                  /\ row' = IF settles THEN Ended("certified") ELSE row
                  /\ owed' = (owed /\ ~settles)
                  /\ IF p \in Sweeps
                     THEN at' = [others EXCEPT ![p] = [Idle EXCEPT !.pc = IF isCertified THEN "judged" ELSE "idle"]]
                     ELSE IF isCertified
                     THEN at' = [others EXCEPT ![p] = [Idle EXCEPT !.pc = IF p \in Webs THEN "replying" ELSE "idle"]]
                     \* Nothing tells which of the two Open edX has read later: it is to be asked again.
                     ELSE IF at[p].late THEN at' = [others EXCEPT ![p] = [@ EXCEPT !.told = "cannot", !.late = FALSE]]
                     ELSE at' = [others EXCEPT ![p] = [@ EXCEPT !.pc = "judged", !.told = now.out, !.late = FALSE]]
            /\ UNCHANGED <<edx, sender, db, paid, revoked, left, passed>>
Settle(p) == /\ db /\ at[p].pc = "judged" /\ p \notin Sweeps /\ After(p)
             /\ LET isMine == IsOpen /\ row.lease = p
                    isSame == row.n = at[p].n
                    waits == at[p].told = "notpassed" /\ row.patience < Patience
                    ends == isMine /\ isSame /\ ~waits
                    free == [Released(row) EXCEPT !.failing = None]
                IN /\ row' = IF ends THEN Ended(at[p].told)
                             ELSE IF isMine /\ isSame THEN [free EXCEPT !.patience = @ + 1, !.due = Wait]
                             ELSE IF isMine THEN free
                             ELSE row
                   /\ owed' = (owed /\ ~(ends /\ at[p].fresh))
             /\ UNCHANGED <<edx, sender, db, stored, left, passed>>
\* A sweep's page, or what a worker does first in each pass: there is a certificate.
SettleCertified(p) ==
    /\ db /\ IF p \in Sweeps THEN at[p].pc = "judged" ELSE p \in Workers /\ at[p] = Idle /\ IsOpen /\ ~AtWork /\ certs > 0
    /\ Goes(p, "idle")
    /\ LET ends == IsOpen /\ certs > 0
       IN row' = (IF ends THEN Ended("certified") ELSE row) /\ owed' = (owed /\ ~ends)
    /\ UNCHANGED <<edx, sender, db, stored, left, passed>>

\* People. The app's own look for a payment is in the payment's commit.
Pay == /\ db /\ ~paid /\ Spend("acts") /\ paid' = TRUE
       /\ IF grade = "passed" /\ certs = 0
          THEN row' = Joined(IF IsOpen THEN row ELSE [NoRow EXCEPT !.status = "open"]) /\ News /\ at' = Stale(at)
          ELSE row' = (IF IsOpen THEN row ELSE [row EXCEPT !.left = 0]) /\ UNCHANGED <<owed, at>>
       /\ UNCHANGED <<edx, sender, db, grade, certs, revoked, note, passed>>
TakeBack == /\ db /\ paid /\ Spend("acts") /\ paid' = FALSE
            /\ row' = IF IsOpen THEN row ELSE [row EXCEPT !.left = 0]
            /\ UNCHANGED <<edx, sender, db, grade, certs, revoked, note, at, owed, passed>>
Revoke == /\ db /\ certs > 0 /\ ~revoked /\ Spend("acts") /\ revoked' = TRUE
          /\ UNCHANGED <<edx, sender, db, row, grade, paid, certs, note, at, owed, passed>>
GiveBack == /\ db /\ revoked /\ Spend("acts") /\ revoked' = FALSE
            /\ UNCHANGED <<edx, sender, db, row, grade, paid, certs, note, at, owed, passed>>
Replay == /\ db /\ row.status # "none" /\ ~(IsOpen /\ AtWork) /\ Spend("acts")
          /\ row' = [Joined(Released(row)) EXCEPT !.status = "open", !.failing = None]
          /\ News /\ at' = Stale(at)
          /\ UNCHANGED <<edx, sender, db, stored, passed>>
SettleAsFailed == /\ db /\ IsOpen /\ Spend("acts") /\ row' = Ended("failed") /\ owed' = FALSE
                  /\ UNCHANGED <<edx, sender, db, stored, at, passed>>

\* Mishaps, and time. A process that meets a database that is down ends its work as if it was killed.
Gone(p) == /\ Goes(p, "idle")
           /\ row' = IF row.lease = p THEN [row EXCEPT !.lease = "lost"] ELSE row
           /\ sender' = IF sender.on = p THEN [sender EXCEPT !.on = "none"] ELSE sender
           /\ UNCHANGED <<edx, db, stored, owed, passed>>
Kill(p) == at[p].pc # "idle" /\ Spend("mishaps") /\ Gone(p)
Break(p) == ~db /\ at[p].pc \notin {"idle", "claimed", "replying"} /\ Gone(p) /\ UNCHANGED left
Down == db /\ db' = FALSE /\ Spend("mishaps") /\ UNCHANGED <<edx, sender, row, stored, at, owed, passed>>
\* By how much the database's clock goes on: each moment that is stored comes nearer, or is longer ago.
Shift(t) == /\ row' = [row EXCEPT !.left = IF row.left = 0 THEN 0 ELSE Bound(@ - t, 0, 2 * Lease + 1),
                                  !.due = IF @ = 0 THEN 0 ELSE Bound(@ - t, 0, 2 * Wait + 1),
                                  !.failing = IF @ = None THEN None ELSE Bound(@ + t, 0, GiveUp)]
            /\ note' = IF note = None THEN None ELSE Bound(note + t, -Skew, Zero)
Up(t) == /\ ~db /\ db' = TRUE /\ Shift(t)
         /\ UNCHANGED <<edx, sender, grade, paid, certs, revoked, at, left, owed, passed>>
Tick == /\ Shift(1)
        /\ edx' = IF edx.passes THEN [edx EXCEPT !.passes = FALSE, !.grade = "passed"] ELSE edx
        /\ passed' = (passed \/ edx.passes)
        /\ UNCHANGED <<sender, db, grade, paid, certs, revoked, at, left, owed>>

Work(p) == Claim(p) \/ Ask(p) \/ Defer(p) \/ Write(p) \/ Settle(p) \/ SettleCertified(p)
People == Pay \/ TakeBack \/ Revoke \/ GiveBack \/ Replay \/ SettleAsFailed
Next == \/ Pass \/ RollBack \/ (\E g \in Falls : Fall(g)) \/ (\E m \in Moods : Fails(m)) \/ Recover
        \/ \E w \in Webs : Knock(w) \/ Reply(w) \/ See(w) \/ Accept(w, TRUE) \/ Accept(w, FALSE)
        \/ \E w \in Webs : Ask(w) \/ Defer(w) \/ Write(w) \/ Settle(w)
        \/ \E k \in Workers : Work(k)
        \/ \E s \in Sweeps : Ask(s) \/ Write(s) \/ SettleCertified(s)
        \/ TimeOut \/ People \/ Tick \/ Down \/ \E t \in -Skew..Skew : Up(t)
        \/ \E p \in Procs : Kill(p) \/ Break(p)
Spec == Init /\ [][Next]_vars /\ WF_vars(Tick) /\ WF_vars(Recover) /\ WF_vars(\E t \in -Skew..Skew : Up(t))
        /\ \A k \in Workers : WF_vars(Work(k))

-----------------------------------------------------------------------------
\* What is promised, always:
OneCertificate == certs <= 1
NothingForgotten == owed => IsOpen
PaidIsHeld == grade = "passed" /\ paid /\ certs = 0 => row.status \in {"open", "failed"}
\* ... in each step:
Earned == [][certs' > certs => paid /\ passed /\ grade' = "passed"]_vars
RevokedStays == [][revoked => (revoked' /\ certs' = certs) \/ GiveBack]_vars
TwoZeros == [][certs' < certs => note >= Zero]_vars
Newest == [][grade' # grade => \E p \in Procs : at[p].pc = "told" /\ ~at[p].late /\ at'[p].pc # "told"]_vars
\* (Of the first pass: the event of another opens the request again.)
Patient == [][IsOpen /\ row'.status = "notpassed" => ~edx.passes \/ left.passes < Passes - 1]_vars
ThreeDays == [][IsOpen /\ row'.status = "failed" => row.failing + Skew >= GiveUp \/ SettleAsFailed]_vars
Alone == [][IsOpen /\ row'.status = "open" /\ AtWork /\ row'.lease # row.lease
            => row.lease \in Procs /\ at'[row.lease].pc # at[row.lease].pc]_vars
\* ... in the end: of a request by the worker alone, of a certificate if sweeps come.
Settled == IsOpen ~> ~IsOpen
Swept == \A s \in Sweeps : WF_vars(Ask(s) \/ Write(s) \/ SettleCertified(s))
Comes == Swept /\ <>[](edx.grade = "passed" /\ paid) => <>(certs > 0)
=============================================================================
