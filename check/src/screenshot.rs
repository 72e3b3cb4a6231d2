//! Pictures of the output, taken by whatever the compositor offers for that: `zwlr_screencopy_manager_v1`, or weston's own
//! `weston_screenshooter`.
//!
//! Where a window is on the output is the compositor's business, so pictures are searched for what should be in them, or
//! should not.

use std::time::Instant;

use selkie_protocols::weston_screenshooter::weston_screenshooter;
use selkie_protocols::wlr::screencopy::v1::client::zwlr_screencopy_frame_v1;
use selkie_protocols::wlr::screencopy::v1::client::zwlr_screencopy_manager_v1::ZwlrScreencopyManagerV1;
use wayland_client::WEnum;
use wayland_client::protocol::{wl_output, wl_shm};

use crate::case::Stop;
use crate::client::Client;
use crate::memory::{self, cannot};

/// What an output shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// In pixels.
    pub width: usize,
    /// Its pixels, `0x00rrggbb`, row by row.
    pub pixels: Vec<u32>,
}

impl Picture {
    /// How many of its pixels have a colour, `0x00rrggbb`.
    pub fn count(&self, colour: u32) -> usize {
        self.pixels.iter().filter(|pixel| **pixel == colour & 0xff_ffff).count()
    }

    /// Whether a picture of that width is somewhere in it.
    pub fn contains(&self, part: &[u32], width: usize) -> bool {
        let (Some(first), 1..) = (part.first(), width) else { return false };
        let same = |at: usize| {
            let (x, mut rows) = (at % self.width, part.chunks_exact(width).enumerate());
            x + width <= self.width
                && rows.all(|(y, row)| {
                    let start = at + y * self.width;
                    let own = self.pixels.get(start..start + width).unwrap_or_default();
                    own.len() == width && own.iter().zip(row).all(|(own, pixel)| *own == pixel & 0xff_ffff)
                })
        };
        let starts = self.pixels.iter().enumerate().filter(|(_, pixel)| **pixel == first & 0xff_ffff);
        starts.map(|(at, _)| at).any(same)
    }
}

/// The two ways, and what is bound for them.
#[derive(Debug)]
enum Camera {
    Wlr(ZwlrScreencopyManagerV1),
    Weston(weston_screenshooter::WestonScreenshooter),
}

/// Takes pictures of the first output.
#[derive(Debug)]
pub struct Screenshots {
    camera: Camera,
    shm: wl_shm::WlShm,
    output: wl_output::WlOutput,
    /// The size of its mode.
    size: (u32, u32),
}

impl Client {
    /// A camera, if the compositor offers one.
    ///
    /// # Errors
    ///
    /// [`Stop::Skip`] if it does not; else as [`Client::wait`].
    pub fn screenshots(&mut self) -> Result<Screenshots, Stop> {
        let camera = if self.offered("zwlr_screencopy_manager_v1").is_some() {
            Camera::Wlr(self.bind(1)?)
        } else if self.offered("weston_screenshooter").is_some() {
            Camera::Weston(self.bind(1)?)
        } else {
            return Err(Stop::skip("nothing is offered that takes a picture of the output"));
        };
        let (shm, output) = (self.bind(1)?, self.bind(1)?);
        self.roundtrip()?;
        let modes = self.of(&output);
        let size = modes.iter().rev().find_map(|event| match event {
            wl_output::Event::Mode { width, height, .. } => {
                Some((width.unsigned_abs(), height.unsigned_abs()))
            }
            _ => None,
        });
        let size = size.ok_or_else(|| Stop::skip("the output has no mode"))?;
        Ok(Screenshots { camera, shm, output, size })
    }

    /// A picture of the first output, if the compositor gives one to anybody.
    ///
    /// # Errors
    ///
    /// As [`Screenshots::take`].
    pub fn look(&mut self) -> Result<Option<Picture>, Stop> {
        match self.screenshots() {
            Ok(screenshots) => screenshots.take(self).map(Some),
            Err(Stop::Skip(_)) => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// Does something until the colour that it gives, of pixels that it has shown, is on the output. A frame callback
    /// does not say that a window is to be seen: some keep a new one back until all others have made room.
    ///
    /// # Errors
    ///
    /// [`Stop::Fail`] if it is not there in time; else as [`Screenshots::take`].
    pub fn must_see(&mut self, mut show: impl FnMut(&mut Client) -> Result<u32, Stop>) -> Result<(), Stop> {
        let deadline = Instant::now() + self.patience();
        loop {
            let colour = show(self)?;
            match self.look()? {
                Some(picture) if picture.count(colour) == 0 => {}
                _ => return Ok(()),
            }
            if Instant::now() > deadline {
                return Err(Stop::fail("the window's pixels on the output", "others"));
            }
        }
    }
}

impl Screenshots {
    /// What is on the output now.
    ///
    /// # Errors
    ///
    /// [`Stop::Skip`] if the compositor cannot give it, or not in a format that is known here; else as [`Client::wait`].
    pub fn take(&self, client: &mut Client) -> Result<Picture, Stop> {
        match &self.camera {
            Camera::Wlr(manager) => self.by_wlr(client, manager),
            Camera::Weston(shooter) => {
                let (width, height) = self.size;
                let memory = Shot::new(client, self, wl_shm::Format::Xrgb8888, (width, height, width * 4))?;
                let done = client.of(shooter).len();
                shooter.take_shot(&self.output, &memory.buffer);
                client.wait_for(shooter, done + 1)?;
                memory.read(false)
            }
        }
    }

    fn by_wlr(&self, client: &mut Client, manager: &ZwlrScreencopyManagerV1) -> Result<Picture, Stop> {
        use zwlr_screencopy_frame_v1::{Event, Flags};
        let frame = client.note(manager.capture_output(0, &self.output, &client.qh(), ()));
        client.wait_for(&frame, 1)?;
        let offer = client.of(&frame).into_iter().find_map(|event| match event {
            Event::Buffer { format: WEnum::Value(format), width, height, stride } => {
                Some((*format, (*width, *height, *stride)))
            }
            _ => None,
        });
        let (format, layout) = offer.ok_or_else(|| Stop::skip("the output cannot be copied"))?;
        let memory = Shot::new(client, self, format, layout)?;
        frame.copy(&memory.buffer);
        let ended = |event: &&Event| matches!(event, Event::Ready { .. } | Event::Failed);
        let object = wayland_client::Proxy::id(&frame);
        client.wait("a picture of the output", |events| {
            let of_it = events.log.iter().filter(|event| event.object == object);
            of_it.filter_map(|event| event.event.downcast_ref::<Event>()).any(|event| ended(&event))
        })?;
        let inverted = |event: &&Event| matches!(event, Event::Flags { flags: WEnum::Value(flags) } if flags.contains(Flags::YInvert));
        let events = client.of(&frame);
        if events.iter().any(|event| matches!(event, Event::Failed)) {
            return Err(Stop::skip("the compositor failed to copy the output"));
        }
        let inverted = events.iter().any(inverted);
        frame.destroy();
        memory.read(inverted)
    }
}

/// The memory that a picture is copied into.
struct Shot {
    memory: std::os::fd::OwnedFd,
    buffer: wayland_client::protocol::wl_buffer::WlBuffer,
    layout: (usize, usize, usize),
    /// Where blue and red are the other way round.
    swapped: bool,
}

impl Shot {
    fn new(
        client: &mut Client,
        screenshots: &Screenshots,
        format: wl_shm::Format,
        (width, height, stride): (u32, u32, u32),
    ) -> Result<Shot, Stop> {
        let swapped = match format {
            wl_shm::Format::Xrgb8888 | wl_shm::Format::Argb8888 => false,
            wl_shm::Format::Xbgr8888 | wl_shm::Format::Abgr8888 => true,
            other => return Err(Stop::skip(format_args!("pictures are given as {other:?} only"))),
        };
        let bytes = u64::from(stride) * u64::from(height);
        let number = |n: u64| i32::try_from(n).map_err(cannot("take a picture of that size"));
        let memory = memory::sealed(bytes)?;
        let pool = client.pool(&screenshots.shm, &memory, number(bytes)?);
        let layout = (0, number(width.into())?, number(height.into())?, number(stride.into())?);
        let buffer = client.buffer_at(&pool, layout, format);
        pool.destroy();
        Ok(Shot { memory, buffer, layout: (width as usize, height as usize, stride as usize), swapped })
    }

    fn read(self, inverted: bool) -> Result<Picture, Stop> {
        let (width, height, stride) = self.layout;
        let mut bytes = vec![0; stride * height];
        let read = rustix::io::pread(&self.memory, &mut bytes, 0).map_err(cannot("read a picture"))?;
        if read != bytes.len() {
            return Err(Stop::skip("a picture is shorter than it was made"));
        }
        self.buffer.destroy();
        let mut rows: Vec<&[u8]> = bytes.chunks_exact(stride).collect();
        if inverted {
            rows.reverse();
        }
        let pixels = rows.iter().flat_map(|row| row.chunks_exact(4).take(width)).map(|pixel| match pixel {
            [b, g, r, _] if !self.swapped => u32::from_le_bytes([*b, *g, *r, 0]),
            [r, g, b, _] => u32::from_le_bytes([*b, *g, *r, 0]),
            _ => 0,
        });
        Ok(Picture { width, pixels: pixels.collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_is_in_a_picture() {
        let picture = Picture { width: 3, pixels: vec![0, 1, 2, 3, 1, 5, 6, 7, 8] };
        assert!(picture.contains(&[0xff00_0001, 2, 1, 5], 2));
        assert!(picture.contains(&[6, 7, 8], 3));
        assert!(!picture.contains(&[2, 3], 2), "rows have an end");
        assert!(!picture.contains(&[7, 8, 9, 9], 2), "so have pictures");
        assert!(!picture.contains(&[], 2));
        assert_eq!((picture.count(1), picture.count(4)), (2, 0));
    }
}
