//! Buffers of one colour, what became of them, and what is on the output.

use std::os::fd::{AsFd, OwnedFd};

use selkie_protocols::upstream::wp::presentation_time::client::wp_presentation_feedback::{
    self, WpPresentationFeedback,
};
use wayland_client::Proxy;
use wayland_client::protocol::{wl_buffer, wl_callback};

use crate::case::Stop;
use crate::client::Client;
use crate::memory;
use crate::window::{BYTES, SIDE};

/// A colour that is on nobody's desktop.
pub const FIRST: u32 = 0xff13_c95b;
/// Another.
pub const SECOND: u32 = 0xffc9_135b;
/// What a client writes into memory that is its own again: on the output it means that it was read all the same.
pub const STAMP: u32 = 0xff5b_13c9;

/// Memory and the buffer of [`SIDE`] squared in it.
#[derive(Debug)]
pub struct Painted {
    /// Its memory, sealed.
    pub memory: OwnedFd,
    /// The buffer.
    pub buffer: wl_buffer::WlBuffer,
}

impl Painted {
    /// Writes one colour all over it, whoever may be reading.
    ///
    /// # Errors
    ///
    /// [`Stop::Skip`] if the memory cannot be written.
    pub fn paint(&self, colour: u32) -> Result<(), Stop> {
        paint(&self.memory, colour)
    }
}

/// Writes one colour over the memory of a buffer of [`SIDE`] squared.
///
/// # Errors
///
/// [`Stop::Skip`] if the memory cannot be written.
pub fn paint(memory: impl AsFd, colour: u32) -> Result<(), Stop> {
    memory::write_pixels(memory, 0, &[colour; (SIDE * SIDE) as usize])
}

impl Client {
    /// A buffer of one colour, in memory and a pool of its own.
    ///
    /// # Errors
    ///
    /// As [`Client::square_of`].
    pub fn painted(&mut self, colour: u32) -> Result<Painted, Stop> {
        let memory = memory::sealed(BYTES as u64)?;
        paint(&memory, colour)?;
        let buffer = self.square_of(&memory)?;
        Ok(Painted { memory, buffer })
    }

    /// Gives what should not come the time to come: the compositor is asked a few times.
    ///
    /// # Errors
    ///
    /// As [`Client::roundtrip`].
    pub fn settle(&mut self) -> Result<(), Stop> {
        for _ in 0..3 {
            self.roundtrip()?;
        }
        Ok(())
    }

    /// Waits until a buffer has been released, and fails if it is released more than `most` times.
    ///
    /// # Errors
    ///
    /// [`Stop::Fail`] then; else as [`Client::wait`].
    pub fn released(&mut self, buffer: &wl_buffer::WlBuffer, most: usize) -> Result<usize, Stop> {
        self.wait_for(buffer, 1)?;
        self.settle()?;
        let count = self.releases(buffer);
        if count > most {
            return Err(Stop::fail(format_args!("{most} release at most"), format_args!("{count}")));
        }
        Ok(count)
    }

    /// Fails if a callback has not been called exactly so often.
    ///
    /// # Errors
    ///
    /// [`Stop::Fail`] then.
    pub fn called(&self, callback: &wl_callback::WlCallback, times: usize) -> Result<(), Stop> {
        let count = self.of(callback).len();
        if count == times { Ok(()) } else { Err(Stop::fail(format_args!("{times} done"), count)) }
    }

    /// Fails if callbacks were not called in this order, each of them once.
    ///
    /// # Errors
    ///
    /// [`Stop::Fail`] then.
    pub fn called_in_order(&self, callbacks: &[wl_callback::WlCallback]) -> Result<(), Stop> {
        let wanted: Vec<_> = callbacks.iter().map(Proxy::id).collect();
        let log = self.events.log.iter().map(|event| &event.object);
        let came: Vec<_> = log.filter_map(|object| wanted.iter().position(|one| one == object)).collect();
        if came.iter().copied().eq(0..wanted.len()) {
            return Ok(());
        }
        let came: Vec<String> = came.iter().map(|at| (at + 1).to_string()).collect();
        Err(Stop::fail(format_args!("1 to {} in order", wanted.len()), came.join(", ")))
    }

    /// Waits for what becomes of a commit: when it was presented, or `None` if it was discarded.
    ///
    /// # Errors
    ///
    /// [`Stop::Fail`] if it is told more than once; else as [`Client::wait`].
    pub fn fate(&mut self, feedback: &WpPresentationFeedback) -> Result<Option<(u32, u32, u32)>, Stop> {
        use wp_presentation_feedback::Event;
        let told = |event: &&Event| matches!(event, Event::Presented { .. } | Event::Discarded);
        let object = feedback.id();
        self.wait("presentation feedback", |events| {
            let of_it = events.log.iter().filter(|event| event.object == object);
            of_it.filter_map(|event| event.event.downcast_ref()).any(|event| told(&event))
        })?;
        self.settle()?;
        let fates: Vec<&Event> = self.of(feedback).into_iter().filter(told).collect();
        match fates[..] {
            [Event::Presented { tv_sec_hi, tv_sec_lo, tv_nsec, .. }] => {
                Ok(Some((*tv_sec_hi, *tv_sec_lo, *tv_nsec)))
            }
            [_] => Ok(None),
            _ => Err(Stop::fail("one of presented and discarded", format_args!("{fates:?}"))),
        }
    }
}
