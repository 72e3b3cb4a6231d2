//! What both sides of a ring have in common: the memory, a role in it, and the watch on who has the other.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::layout::{self, Geometry, Mapped};
use super::protocol::{Half, Side, Turn, announce_death, claim, holder};
use super::spin::Spin;
use super::tenure::{State, Tenure};
use super::{DEFAULT_SPIN, OpenError, RingError};
use crate::liveness::{LivenessError, Process, Watch};
use crate::shared::Shared;

/// A claimed role. Dropped, it is closed.
pub(super) struct Seat<S: Shared, D: Shared> {
    half: Half<Mapped<S, D>>,
    side: Side,
    own: Process,
    /// Of the peer, if one was given, until it has attached.
    pidfd: Option<OwnedFd>,
    watch: Option<Watch>,
}

/// How long to wait for the peer.
#[derive(Debug, Clone, Copy)]
pub(super) enum Patience {
    Never,
    Until(Instant),
    Forever,
}

impl Patience {
    /// A time that is too far off to be told is as good as none.
    pub(super) fn of(timeout: Duration) -> Patience {
        Instant::now().checked_add(timeout).map_or(Patience::Forever, Patience::Until)
    }
}

impl<S: Shared, D: Shared> Seat<S, D> {
    pub(super) fn create(
        side: Side,
        control: S,
        data: Option<D>,
        geometry: Geometry,
    ) -> Result<Seat<S, D>, OpenError> {
        // What may fail comes first: memory in which no ring could be made is as it was.
        Process::current()?;
        layout::create(&control, data.as_ref(), geometry)?;
        Seat::attach(side, control, data)
    }

    pub(super) fn attach(side: Side, control: S, data: Option<D>) -> Result<Seat<S, D>, OpenError> {
        Seat::claim(side, control, data, |tenure, _| Ok(tenure.state() == State::Absent))
    }

    pub(super) fn take_over(side: Side, control: S, data: Option<D>) -> Result<Seat<S, D>, OpenError> {
        Seat::claim(side, control, data, |tenure, start_time| match tenure.state() {
            State::Absent | State::Closed | State::Dead => Ok(true),
            State::Attached => Ok(!Process { pid: tenure.pid(), start_time }.is_alive()?),
            // Died before it could say when it was born.
            State::Claiming => Ok(Process::of(tenure.pid())?.is_none()),
        })
    }

    fn claim(
        side: Side,
        control: S,
        data: Option<D>,
        may: impl FnOnce(Tenure, u64) -> Result<bool, LivenessError>,
    ) -> Result<Seat<S, D>, OpenError> {
        let platform = Arc::new(Mapped::open(control, data)?);
        let own = Process::current()?;
        let (old, start_time) = holder(&*platform, side)?;
        let claimed = match may(old, start_time)? {
            true => claim(&*platform, side, old, own.pid, own.start_time)?,
            false => Err(old),
        };
        let tenure =
            claimed.map_err(|held| OpenError::Taken { side, pid: held.pid(), state: held.state() })?;
        let slots = platform.layout.slots.into();
        let half = Half::new(platform, side, slots, tenure, Spin::new(DEFAULT_SPIN))?;
        Ok(Seat { half, side, own, pidfd: None, watch: None })
    }

    pub(super) fn set_spin(&mut self, limit: Duration) {
        self.half.spin = Spin::new(limit);
    }

    pub(super) fn set_pidfd(&mut self, pidfd: OwnedFd) {
        self.pidfd = Some(pidfd);
        self.half.expect(true);
        // If it is watched already, then by its number.
        self.half.unwatched();
    }

    pub(super) fn mapped(&self) -> &Mapped<S, D> {
        self.half.platform()
    }

    /// The index of the frame to write or read next.
    pub(super) fn index(&self) -> u64 {
        self.half.index()
    }

    /// Waits until there is a frame to read, or room for one; `false` if the time is up.
    pub(super) fn ready(&mut self, patience: Patience) -> Result<bool, RingError> {
        loop {
            let turn = match patience {
                Patience::Never => self.half.poll()?,
                Patience::Until(deadline) => self.half.wait(Some(deadline))?,
                Patience::Forever => self.half.wait(None)?,
            };
            let side = self.side.peer();
            match turn {
                Turn::Ready => return Ok(true),
                Turn::TimedOut => return Ok(false),
                Turn::Ended(tenure) => {
                    return Err(match tenure.state() {
                        State::Absent => RingError::NeverCame { side },
                        State::Dead => RingError::Died { side, pid: tenure.pid() },
                        _ => RingError::Closed { side },
                    });
                }
                Turn::Unwatched(tenure) => self.watch(tenure)?,
            }
        }
    }

    /// Sees to it that the end of the peer is noticed.
    fn watch(&mut self, tenure: Tenure) -> Result<(), RingError> {
        // That of the one before, which must not touch the memory any more once we let go of it.
        self.watch = None;
        let platform = Arc::clone(self.half.platform());
        let (held, start_time) = holder(&*platform, self.side.peer())?;
        let process = Process { pid: tenure.pid(), start_time };
        // If it has changed since, the next look sees that; and a process need not be told of its own end.
        if held != tenure {
            return Ok(());
        }
        let (side, dead) = (self.side, self.half.watched(tenure));
        if self.pidfd.is_none() && process == self.own {
            return Ok(());
        }
        let on_death = move || announce_death(&*platform, side, tenure, &*dead);
        let watch = match self.expected(tenure) {
            Ok(Some(pidfd)) => Watch::of_pidfd(pidfd, on_death),
            Ok(None) => Watch::new(process, on_death),
            Err(error) => Err(error),
        };
        self.watch = Some(watch.inspect_err(|_| self.half.unwatched())?);
        Ok(())
    }

    /// The pidfd that was given. It is for one peer, and is used up once that has attached.
    fn expected(&mut self, tenure: Tenure) -> Result<Option<OwnedFd>, LivenessError> {
        let copy = |pidfd: &OwnedFd| pidfd.try_clone().map_err(|source| LivenessError::Watch { source });
        let copy = self.pidfd.as_ref().map(copy).transpose()?;
        if tenure.state() == State::Attached {
            self.pidfd = None;
            self.half.expect(false);
        }
        Ok(copy)
    }

    /// Hands over the frame, or gives its slot back.
    pub(super) fn advance(&mut self) -> Result<(), RingError> {
        self.half.advance()
    }

    pub(super) fn close(&mut self) -> Result<(), RingError> {
        self.half.close()
    }
}

impl<S: Shared, D: Shared> Drop for Seat<S, D> {
    fn drop(&mut self) {
        if let Err(error) = self.half.close() {
            tracing::debug!(%error, side = %self.side, "cannot close a ring");
        }
    }
}
