//! How the two sides of a ring hand frames over, wait for each other and learn of each other's end.
//!
//! All of it is here and nothing else is: no memory, no system calls. A [`Platform`] brings the atomic words and the futex, which
//! in a ring are those of the machine and in a test those of loom, which tries every order in which two sides may
//! see each other's writes.
//!
//! Each side has an index: the producer's counts the frames it has committed, the consumer's those it has released. A side writes
//! its own index only, and never reads that back from memory; it reads the other's when its copy of that gives it nothing
//! more to do. So the protocol is the same for both, but for what the difference of the two indexes means.
//!
//! # Why no wake-up is lost
//!
//! Who has nothing to do (the *sleeper*) does: (1) waiting := 1, (2) fence, (3) look again, (4) sleep while waiting = 1. Who brings
//! news (the *waker*) does: (1) write the news (index, tenure, or the note of a death), (2) fence, (3) if waiting, then waiting := 0
//! and wake. Of the two fences one is first in the single order of all `SeqCst` fences. If it is the waker's, the sleeper's look
//! after its own fence sees the news. If it is the sleeper's, the waker's look after its own fence sees waiting = 1,
//! and sets it to 0. Then either the sleeper sleeps already, and is woken; or the kernel, which compares under the lock that waking
//! takes, finds 0 where 1 was expected, and does not let it sleep.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::time::Instant;

use super::RingError;
use super::spin::Spin;
use super::tenure::{State, Tenure};
use super::words::{Word32 as _, Word64 as _, Words};
use crate::futex::Woken;
use crate::guard::Fault;

/// One of the two sides of a ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// Who writes frames.
    Producer,
    /// Who reads them.
    Consumer,
}

impl Side {
    /// The other one.
    pub fn peer(self) -> Side {
        match self {
            Side::Producer => Side::Consumer,
            Side::Consumer => Side::Producer,
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Side::Producer => "producer",
            Side::Consumer => "consumer",
        })
    }
}

/// What the protocol runs on.
pub(crate) trait Platform: Sized + Send + Sync + 'static {
    type U32: super::words::Word32;
    type U64: super::words::Word64;

    /// Gives access to the words, unless their memory is gone.
    fn words<R>(&self, f: impl FnOnce(&Words<Self::U32, Self::U64>) -> R) -> Result<R, Fault>;

    /// A fence in the one order of all `SeqCst` fences.
    fn fence();

    /// Sleeps while the side's waiting flag is 1, until `deadline`.
    fn sleep(&self, side: Side, deadline: Option<Instant>) -> Result<Woken, RingError>;

    /// Wakes the side.
    fn wake(&self, side: Side) -> Result<(), RingError>;
}

/// What a side sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// There is a frame to read, or room for one.
    Ready,
    /// There is not, but there may be: the peer's role is held like this.
    Idle(Tenure),
    /// There is not, and the peer will not change that.
    Ended(Tenure),
}

/// How a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// There is a frame to read, or room for one.
    Ready,
    /// There will be none: the peer has closed the ring or died, or (`Absent`) died before it came.
    Ended(Tenure),
    /// Somebody holds the peer's role, or is expected to, whose end nobody watches yet: call [`Half::watched`], and wait again.
    Unwatched(Tenure),
    /// The time is up.
    TimedOut,
}

/// One side's half of the protocol.
pub(crate) struct Half<P: Platform> {
    platform: Arc<P>,
    side: Side,
    slots: u64,
    /// Our index.
    own: u64,
    /// The other's, when last looked at.
    peer: u64,
    /// How we hold our role.
    tenure: Tenure,
    /// Whose end we would hear of, and (not 0) whether we have.
    watched: Option<Tenure>,
    /// Whether it is known who is to take the peer's role, so that its end can be heard of before it has.
    expects: bool,
    dead: Arc<P::U32>,
    pub(crate) spin: Spin,
}

/// How a side is held, and when its process started.
pub(crate) fn holder<P: Platform>(platform: &P, side: Side) -> Result<(Tenure, u64), Fault> {
    platform.words(|words| {
        let end = words.end(side);
        (Tenure::from_bits(end.tenure.load(Acquire)), end.start_time.load(Relaxed))
    })
}

/// Claims a role that is held like `old`. Nobody has it but us, and the peer has been told, if this is `Ok(Ok)`; `Ok(Err)` is how it
/// is held instead.
pub(crate) fn claim<P: Platform>(
    platform: &P,
    side: Side,
    old: Tenure,
    pid: u32,
    start_time: u64,
) -> Result<Result<Tenure, Tenure>, RingError> {
    let claimed = platform.words(|words| {
        let end = words.end(side);
        let claiming = old.next(pid);
        end.tenure.compare_exchange(old.bits(), claiming.bits()).map_err(Tenure::from_bits)?;
        end.start_time.store(start_time, Relaxed);
        end.waiting.store(0, Relaxed);
        let attached = claiming.with(State::Attached);
        // Whoever sees that we are attached sees when we started.
        end.tenure.store(attached.bits(), Release);
        Ok(attached)
    })?;
    if claimed.is_ok() {
        wake_always(platform, side.peer())?;
    }
    Ok(claimed)
}

/// Notes on behalf of `side` that its peer, who held its role like this, is dead, and wakes it if it sleeps.
pub(crate) fn announce_death<P: Platform>(platform: &P, side: Side, peer: Tenure, dead: &P::U32) {
    // So that everybody sees that the role can be taken over. If it has been already, that is well too.
    // Where nobody was, another may come.
    let marked = platform.words(|words| {
        if peer.state() == State::Absent {
            return;
        }
        let _ = words.end(side.peer()).tenure.compare_exchange(peer.bits(), peer.with(State::Dead).bits());
    });
    dead.store(1, Release);
    if let Err(error) = marked.map_err(RingError::from).and_then(|()| wake_always(platform, side)) {
        // The sleeper's next look says the same.
        tracing::debug!(%error, "cannot tell a ring that its peer has died");
    }
}

/// Steps 2 and 3 of the waker. Where news are rare nothing is won by looking whether the side waits, and a peer that has
/// tampered with the flag cannot keep the news from it.
fn wake_always<P: Platform>(platform: &P, side: Side) -> Result<(), RingError> {
    P::fence();
    platform.words(|words| words.end(side).waiting.swap(0, Relaxed))?;
    platform.wake(side)
}

impl<P: Platform> Half<P> {
    /// Takes up work where the indexes are. The role has been claimed.
    pub(crate) fn new(
        platform: Arc<P>,
        side: Side,
        slots: u64,
        tenure: Tenure,
        spin: Spin,
    ) -> Result<Half<P>, RingError> {
        let (own, peer) = platform
            .words(|words| (words.index(side).load(Acquire), words.index(side.peer()).load(Acquire)))?;
        let dead = Arc::new(super::words::Word32::new(0));
        let half =
            Half { platform, side, slots, own, peer, tenure, watched: None, expects: false, dead, spin };
        half.check(peer)?;
        Ok(half)
    }

    pub(crate) fn platform(&self) -> &Arc<P> {
        &self.platform
    }

    /// Our index: the frame that a ready side is to read or write next.
    pub(crate) fn index(&self) -> u64 {
        self.own
    }

    /// How many frames the side can read or write if the peer's index is `peer`: more than there are slots if that is wrong.
    fn available(&self, peer: u64) -> u64 {
        let limit = match self.side {
            Side::Producer => peer.wrapping_add(self.slots),
            Side::Consumer => peer,
        };
        limit.wrapping_sub(self.own)
    }

    fn check(&self, peer: u64) -> Result<(), RingError> {
        if self.available(peer) <= self.slots {
            return Ok(());
        }
        Err(RingError::Corrupt { side: self.side.peer(), index: peer, own: self.own, slots: self.slots })
    }

    /// Looks whether there is something to do.
    pub(crate) fn look(&mut self) -> Result<Look, RingError> {
        let known = self.available(self.peer) > 0;
        if known && self.side == Side::Consumer {
            return Ok(Look::Ready);
        }
        // The order matters: what a peer did last it did before it closed the ring or died. So whoever sees its end, and looks at
        // its index after that, sees all that there is.
        let dead = self.dead.load(Acquire) != 0;
        let (tenure, index) = self.platform.words(|words| {
            let peer = self.side.peer();
            let tenure = Tenure::from_bits(words.end(peer).tenure.load(Acquire));
            (tenure, (!known).then(|| words.index(peer).load(Acquire)))
        })?;
        if let Some(index) = index {
            self.check(index)?;
            self.peer = index;
        }
        let ready = self.available(self.peer) > 0;
        let died = dead && self.watched == Some(tenure);
        let ended = died || matches!(tenure.state(), State::Closed | State::Dead);
        Ok(match self.side {
            Side::Consumer if ready => Look::Ready,
            // Nobody had the role: there is nobody in it to be called dead.
            _ if died && tenure.state() == State::Absent => Look::Ended(tenure),
            _ if died => Look::Ended(tenure.with(State::Dead)),
            _ if ended => Look::Ended(tenure),
            // There is no sense in writing what nobody will read.
            Side::Producer if ready => Look::Ready,
            _ => Look::Idle(tenure),
        })
    }

    /// Looks once.
    pub(crate) fn poll(&mut self) -> Result<Turn, RingError> {
        Ok(match self.look()? {
            Look::Ready => Turn::Ready,
            Look::Ended(tenure) => Turn::Ended(tenure),
            Look::Idle(tenure) if self.is_unwatched(tenure) => Turn::Unwatched(tenure),
            Look::Idle(_) => Turn::TimedOut,
        })
    }

    /// Waits until there is something to do: a while with open eyes, then asleep.
    pub(crate) fn wait(&mut self, deadline: Option<Instant>) -> Result<Turn, RingError> {
        let mut turn = self.poll()?;
        if turn != Turn::TimedOut {
            return Ok(turn);
        }
        if self.watch_closely()? {
            turn = self.poll()?;
            if turn != Turn::TimedOut {
                return Ok(turn);
            }
        }
        loop {
            self.platform.words(|words| words.end(self.side).waiting.store(1, Relaxed))?;
            P::fence();
            let again = self.poll();
            let woken = match again {
                Ok(Turn::TimedOut) => self.platform.sleep(self.side, deadline),
                _ => Ok(Woken::LookAgain),
            };
            self.platform.words(|words| words.end(self.side).waiting.store(0, Relaxed))?;
            let turn = match again? {
                Turn::TimedOut => self.poll()?,
                turn => turn,
            };
            // What has come in the last moment has come.
            if turn != Turn::TimedOut || woken? == Woken::TimedOut {
                return Ok(turn);
            }
        }
    }

    /// Looks at nothing but the peer's index for as long as that is worth it; says whether it has changed.
    fn watch_closely(&mut self) -> Result<bool, RingError> {
        let (platform, side, known) = (&self.platform, self.side, self.peer);
        self.spin.run(|looks| {
            platform.words(|words| {
                let index = words.index(side.peer());
                (0..looks).any(|_| {
                    std::hint::spin_loop();
                    index.load(Relaxed) != known
                })
            })
        })
    }

    fn is_unwatched(&self, tenure: Tenure) -> bool {
        let watchable = match tenure.state() {
            State::Attached => true,
            State::Absent | State::Claiming => self.expects,
            State::Closed | State::Dead => false,
        };
        watchable && self.watched != Some(tenure)
    }

    /// Says that the end of the peer, which holds its role like this, will be told by [`announce_death`] with the flag returned.
    pub(crate) fn watched(&mut self, tenure: Tenure) -> Arc<P::U32> {
        self.watched = Some(tenure);
        self.dead = Arc::new(super::words::Word32::new(0));
        Arc::clone(&self.dead)
    }

    /// Says that nobody would tell the end of the peer.
    pub(crate) fn unwatched(&mut self) {
        self.watched = None;
    }

    /// Says whether the end of one who has not attached yet can be told.
    pub(crate) fn expect(&mut self, expects: bool) {
        self.expects = expects;
    }

    /// Hands over a frame, or gives its slot back; only if the side was ready.
    pub(crate) fn advance(&mut self) -> Result<(), RingError> {
        let own = self.own.wrapping_add(1);
        let peer = self.side.peer();
        let waits = self.platform.words(|words| {
            words.index(self.side).store(own, Release);
            P::fence();
            let end = words.end(peer);
            end.waiting.load(Relaxed) != 0 && end.waiting.swap(0, Relaxed) != 0
        })?;
        self.own = own;
        if waits { self.platform.wake(peer) } else { Ok(()) }
    }

    /// Says that nothing more will come from this side.
    pub(crate) fn close(&mut self) -> Result<(), RingError> {
        let (attached, closed) = (self.tenure.bits(), self.tenure.with(State::Closed).bits());
        // A role that was taken from us is not ours to close.
        let closes =
            self.platform.words(|words| words.end(self.side).tenure.compare_exchange(attached, closed))?;
        if closes.is_ok() { wake_always(&*self.platform, self.side.peer()) } else { Ok(()) }
    }
}
