//! The two processes of one measurement, seen from the one that measures.

use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::control::{Answer, Control, ControlError, Order, now};
use super::message::{Garbled, Look, Size};
use super::transport::{Endpoint, Transport, TransportError};
use super::{BenchError, Config, Placement};

/// What one round found out.
#[derive(Debug)]
pub(super) struct Round {
    /// Half of what each message took to the peer and back, in nanoseconds.
    pub(super) one_way: Vec<u64>,
    /// How many messages were sent one way.
    pub(super) sent: u64,
    /// What that took, from before the first was sent until the last was received, in nanoseconds.
    pub(super) took: u64,
}

/// A transport with a process at its other end, which ends with this value.
pub(super) struct Pair {
    transport: Transport,
    size: Size,
    // Before what it holds is closed, so that it does not complain that nobody is there.
    peer: Peer,
    endpoint: Box<dyn Endpoint>,
    control: Control,
}

impl Pair {
    /// Starts the peer and gives it one end of a new transport.
    pub(super) fn start(
        config: &Config,
        placement: Placement,
        transport: Transport,
        size: Size,
    ) -> Result<Pair, BenchError> {
        let failed = |source| BenchError::Transport { transport, size, source };
        let start = |source| BenchError::Start { program: config.peer.program.clone(), source };
        let (control, theirs) = Control::pair().map_err(start)?;
        let watch = control.watch().map_err(start)?;
        let offer = transport.offer(size, &config.dir, watch).map_err(failed)?;
        let mut command = Command::new(&config.peer.program);
        command.args(&config.peer.arguments).stdin(Stdio::from(theirs)).stdout(Stdio::null());
        let peer = Peer(command.spawn().map_err(start)?);
        // With it goes our copy of the peer's end: otherwise we would not notice when the peer closes its own.
        drop(command);
        let mut pair = Pair { transport, size, peer, endpoint: offer.endpoint, control };
        let (cpu, place, fds) = (placement.second(), offer.place, offer.fds.len());
        let told = pair.control.say(&Order::Join { transport, size, cpu, place, fds });
        told.and_then(|()| pair.control.pass(&offer.fds)).map_err(|error| pair.why_control(error))?;
        // What the peer holds must be its own alone, for the same reason.
        drop(offer.fds);
        pair.ready()?;
        pair.endpoint.joined().map_err(failed)?;
        Ok(pair)
    }

    /// Measures for about twice `slot`, after warming up: first to and fro, then one way.
    pub(super) fn round(&mut self, slot: Duration, most: u64) -> Result<Round, BenchError> {
        let count =
            self.warm_up(slot, most, |pair, count, look| pair.there_and_back(count, look).map(drop))?;
        let one_way = self.there_and_back(count, Look::Ends)?;
        let sent = self.warm_up(slot, most, |pair, count, look| pair.one_way(count, look).map(drop))?;
        let took = self.one_way(sent, Look::Ends)?;
        Ok(Round { one_way, sent, took })
    }

    /// Does it again and again, each time with twice as many messages, until that says how many fit into `slot`. The first
    /// of them are looked at closely.
    fn warm_up(
        &mut self,
        slot: Duration,
        most: u64,
        mut work: impl FnMut(&mut Pair, u64, Look) -> Result<(), BenchError>,
    ) -> Result<u64, BenchError> {
        let mut count = most.min(2);
        work(self, count, Look::All)?;
        loop {
            let start = Instant::now();
            work(self, count, Look::Ends)?;
            let took = start.elapsed();
            if took >= slot / 8 || count >= most {
                let fit = slot.as_nanos().saturating_mul(u128::from(count)) / took.as_nanos().max(1);
                return Ok(u64::try_from(fit).unwrap_or(u64::MAX).clamp(1, most));
            }
            count = (count * 2).min(most);
        }
    }

    /// Sends messages and waits for each to come back, and for one more before time is taken: for that one the peer has
    /// to get from its orders to the transport.
    fn there_and_back(&mut self, count: u64, look: Look) -> Result<Vec<u64>, BenchError> {
        self.order(&Order::Echo { count: count + 1, look })?;
        let mut one_way = Vec::with_capacity(usize::try_from(count).unwrap_or(0));
        let mut exchange = |number| -> Result<(), TransportError> {
            self.endpoint.send(number)?;
            match self.endpoint.receive(look)? {
                got if got == number => Ok(()),
                got => Err(Garbled::Order { expected: number, got }.into()),
            }
        };
        let mut all = || -> Result<(), TransportError> {
            exchange(0)?;
            let mut before = Instant::now();
            for number in 1..=count {
                exchange(number)?;
                let after = Instant::now();
                one_way.push(u64::try_from((after - before).as_nanos()).unwrap_or(u64::MAX) / 2);
                before = after;
            }
            Ok(())
        };
        let result = all();
        result.map_err(|error| self.why(error))?;
        self.done()?;
        Ok(one_way)
    }

    /// Sends messages without waiting for answers; gives the nanoseconds until the last was received.
    fn one_way(&mut self, count: u64, look: Look) -> Result<u64, BenchError> {
        self.order(&Order::Take { count, look })?;
        let start = now();
        for number in 0..count {
            self.endpoint.send(number).map_err(|error| self.why(error))?;
        }
        Ok(self.done()?.saturating_sub(start).max(1))
    }

    fn order(&mut self, order: &Order) -> Result<(), BenchError> {
        self.control.say(order).map_err(|error| self.why_control(error))?;
        self.ready()
    }

    fn ready(&mut self) -> Result<(), BenchError> {
        match self.hear()? {
            Answer::Ready => Ok(()),
            other => Err(self.unexpected(other)),
        }
    }

    /// When the peer was done.
    fn done(&mut self) -> Result<u64, BenchError> {
        match self.hear()? {
            Answer::Done { at } => Ok(at),
            other => Err(self.unexpected(other)),
        }
    }

    fn hear(&mut self) -> Result<Answer, BenchError> {
        self.control.hear().map_err(|error| self.why_control(error))
    }

    fn unexpected(&self, answer: Answer) -> BenchError {
        let (transport, size) = (self.transport, self.size);
        match answer {
            Answer::Failed(sentence) => BenchError::Peer { transport, size, sentence },
            Answer::Ready | Answer::Done { .. } => BenchError::Disorder,
        }
    }

    /// What is behind an error: if the peer is gone, what it said last, or else how it ended.
    fn why(&mut self, source: TransportError) -> BenchError {
        match source {
            TransportError::PeerGone => self.last_words(),
            source => BenchError::Transport { transport: self.transport, size: self.size, source },
        }
    }

    fn why_control(&mut self, error: ControlError) -> BenchError {
        match error {
            ControlError::Gone => self.last_words(),
            error => BenchError::Control(error),
        }
    }

    /// The peer is gone, or will be in a moment.
    fn last_words(&mut self) -> BenchError {
        let (transport, size) = (self.transport, self.size);
        while let Ok(answer) = self.control.hear() {
            if let Answer::Failed(sentence) = answer {
                return BenchError::Peer { transport, size, sentence };
            }
        }
        BenchError::PeerEnded { transport, size, how: self.peer.how_it_ended() }
    }
}

/// The other process; killed when this is dropped, if it has not ended.
struct Peer(Child);

impl Peer {
    fn how_it_ended(&mut self) -> String {
        // It has closed its socket, which it does by ending; should it hang on the way, it does so no longer.
        let _ = self.0.kill();
        self.0.wait().map_or_else(|error| error.to_string(), |status: ExitStatus| status.to_string())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Both fail only if it has been waited for already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
