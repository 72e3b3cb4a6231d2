//! Dma-bufs, real and false, and the buffers that a compositor makes of them.

use std::os::fd::{AsFd, OwnedFd};

use selkie_protocols::upstream::wp::linux_dmabuf::zv1::client::zwp_linux_buffer_params_v1::{
    self as params, Error, Flags, ZwpLinuxBufferParamsV1,
};
use selkie_protocols::upstream::wp::linux_dmabuf::zv1::client::zwp_linux_dmabuf_v1::ZwpLinuxDmabufV1;
use shm_core::udmabuf::Udmabuf;
use wayland_client::protocol::wl_buffer::WlBuffer;

use crate::case::{Outcome, Stop};
use crate::client::{Client, Ended};
use crate::expect::Refusal;
use crate::memory;
use crate::session::Session;
use crate::window::{BYTES, SIDE};

/// `DRM_FORMAT_*`, by its four letters.
pub const fn fourcc(name: &[u8; 4]) -> u32 {
    u32::from_le_bytes(*name)
}

/// `DRM_FORMAT_XRGB8888`.
pub const XR24: u32 = fourcc(b"XR24");
/// `DRM_FORMAT_NV12`: two planes.
pub const NV12: u32 = fourcc(b"NV12");
/// `DRM_FORMAT_MOD_LINEAR`.
pub const LINEAR: u64 = 0;
/// Bytes of a row of [`SIDE`] pixels.
pub const STRIDE: u32 = SIDE as u32 * 4;
/// What parameters that make no sense may come to: the errors that the protocol has for them. `failed` is as right.
pub const SENSELESS: [Error; 5] = [
    Error::Incomplete,
    Error::InvalidFormat,
    Error::InvalidDimensions,
    Error::OutOfBounds,
    Error::InvalidWlBuffer,
];

/// An error of the parameters.
pub fn refusal(error: Error) -> Refusal {
    Refusal::new(&["zwp_linux_buffer_params_v1"], error)
}

/// A real dma-buf of so many bytes, in whole pages, and the memfd with its pages. The pages are filled with one grey.
///
/// # Errors
///
/// [`Stop::Skip`] where there is no udmabuf.
pub fn udmabuf(bytes: u64) -> Result<(OwnedFd, OwnedFd), Stop> {
    let udmabuf = Udmabuf::open().map_err(memory::cannot("make a dma-buf (of /dev/udmabuf)"))?;
    let size = bytes.next_multiple_of(4096);
    let pages = memory::sealed(size)?;
    memory::write_pixels(&pages, 0, &vec![0xff80_8080; size as usize / 4])?;
    let dmabuf = udmabuf.create(&pages, 0, size).map_err(memory::cannot("make a dma-buf"))?;
    let fd = dmabuf.fd().try_clone_to_owned().map_err(memory::cannot("copy an fd"))?;
    Ok((fd, pages))
}

/// A dma-buf of [`BYTES`] if one can be had, for mistakes that do not depend on it; else a memfd in its stead.
///
/// # Errors
///
/// As [`memory::sealed`].
pub fn any() -> Result<OwnedFd, Stop> {
    match udmabuf(BYTES as u64) {
        Ok((dmabuf, _)) => Ok(dmabuf),
        Err(_) => memory::sealed(BYTES as u64),
    }
}

/// A plane: fd, offset, stride.
pub type Plane<'a> = (&'a OwnedFd, u32, u32);

/// What came of parameters.
#[derive(Debug)]
pub enum Made {
    /// A buffer.
    Created(WlBuffer),
    /// `failed`.
    Failed,
}

/// A client with the global.
pub struct Dmabufs {
    /// The client.
    pub client: Client,
    /// The global.
    pub global: ZwpLinuxDmabufV1,
}

impl Session {
    /// A client with `zwp_linux_dmabuf_v1`.
    ///
    /// # Errors
    ///
    /// [`Stop::Skip`] if that is not offered.
    pub fn dmabufs(&self) -> Result<Dmabufs, Stop> {
        let mut client = self.connect()?;
        let global = client.bind_from(3, 5)?;
        Ok(Dmabufs { client, global })
    }

    /// [`Session::dmabufs`] where the parameters make no sense: they must come to `failed` or one of these errors.
    ///
    /// # Errors
    ///
    /// [`Stop::Fail`] if a buffer is made, or the client is ended otherwise.
    pub fn must_make_nothing(
        &self,
        planes: &[Plane<'_>],
        size: (i32, i32),
        format: u32,
        errors: &[Error],
    ) -> Outcome {
        let mut seen = Vec::new();
        for immed in [false, true] {
            let mut dmabufs = self.dmabufs()?;
            let params = dmabufs.params(planes, LINEAR);
            let made = if immed {
                dmabufs.create_immed(&params, size, format)
            } else {
                dmabufs.create(&params, size, format, Flags::empty())
            };
            seen.push(nothing(made, errors)?);
        }
        seen.dedup();
        Ok(seen.join(", and "))
    }
}

/// Has the compositor load what it needs for dma-bufs, where it offers them.
///
/// # Errors
///
/// As [`Client::roundtrip`].
pub fn warm_up(client: &mut Client) -> Result<(), Stop> {
    let Ok(global) = client.bind_from::<ZwpLinuxDmabufV1>(4, 5) else { return Ok(()) };
    let feedback = client.note(global.get_default_feedback(&client.qh(), ()));
    let params = client.note(global.create_params(&client.qh(), ()));
    let fd = any()?;
    add(&params, (&fd, 0, STRIDE), 0, LINEAR);
    params.destroy();
    feedback.destroy();
    client.roundtrip()
}

/// Judges what must have come to `failed` or one of these errors.
///
/// # Errors
///
/// [`Stop::Fail`] if not.
pub fn nothing(made: Result<Made, Stop>, errors: &[Error]) -> Outcome {
    let expected = || {
        let names: Vec<String> = errors.iter().map(|error| refusal(*error).to_string()).collect();
        format!("failed, or {}", names.join(" or "))
    };
    match made {
        Ok(Made::Failed) => Ok("failed".to_owned()),
        Ok(Made::Created(_)) => Err(Stop::fail(expected(), "a buffer")),
        Err(Stop::Ended(Ended::Error { interface, code, .. }))
            if errors.iter().any(|error| refusal(*error).is(&interface, code)) =>
        {
            let error = errors.iter().find(|error| u32::from(**error) == code);
            Ok(error.map_or_else(String::new, |error| format!("refused: {}", refusal(*error))))
        }
        Err(Stop::Ended(ended)) => Err(Stop::fail(expected(), ended)),
        Err(other) => Err(other),
    }
}

impl Dmabufs {
    /// Parameters with these planes, numbered from 0.
    pub fn params(&mut self, planes: &[Plane<'_>], modifier: u64) -> ZwpLinuxBufferParamsV1 {
        let params = self.client.note(self.global.create_params(&self.client.qh(), ()));
        for (index, plane) in planes.iter().enumerate() {
            add(&params, *plane, index as u32, modifier);
        }
        params
    }

    /// `create`, and its answer.
    ///
    /// # Errors
    ///
    /// As [`Client::wait_for`].
    pub fn create(
        &mut self,
        params: &ZwpLinuxBufferParamsV1,
        (width, height): (i32, i32),
        format: u32,
        flags: Flags,
    ) -> Result<Made, Stop> {
        params.create(width, height, format, flags);
        self.client.wait_for(params, 1)?;
        let made = match self.client.of(params).first() {
            Some(params::Event::Created { buffer }) => Made::Created(buffer.clone()),
            _ => Made::Failed,
        };
        Ok(match made {
            Made::Created(buffer) => Made::Created(self.client.note(buffer)),
            Made::Failed => Made::Failed,
        })
    }

    /// `create_immed`, and whether `failed` comes.
    ///
    /// # Errors
    ///
    /// As [`Client::roundtrip`].
    pub fn create_immed(
        &mut self,
        params: &ZwpLinuxBufferParamsV1,
        (width, height): (i32, i32),
        format: u32,
    ) -> Result<Made, Stop> {
        let buffer = params.create_immed(width, height, format, Flags::empty(), &self.client.qh(), ());
        let buffer = self.client.note(buffer);
        self.client.roundtrip()?;
        let failed = self.client.of(params).iter().any(|event| matches!(event, params::Event::Failed));
        Ok(if failed { Made::Failed } else { Made::Created(buffer) })
    }

    /// A buffer of [`SIDE`] squared in a real dma-buf, which has to come to be, and the memfd behind it.
    ///
    /// # Errors
    ///
    /// [`Stop::Skip`] where there is no udmabuf, or the compositor cannot use one: a GPU may not.
    pub fn square(&mut self) -> Result<(WlBuffer, OwnedFd, OwnedFd), Stop> {
        let (dmabuf, pages) = udmabuf(BYTES as u64)?;
        let params = self.params(&[(&dmabuf, 0, STRIDE)], LINEAR);
        match self.create(&params, (SIDE, SIDE), XR24, Flags::empty())? {
            Made::Created(buffer) => {
                params.destroy();
                Ok((buffer, dmabuf, pages))
            }
            Made::Failed => Err(Stop::skip("a driver that takes dma-bufs of udmabuf, linear XRGB8888")),
        }
    }
}

/// Adds a plane.
pub fn add(params: &ZwpLinuxBufferParamsV1, (fd, offset, stride): Plane<'_>, index: u32, modifier: u64) {
    params.add(fd.as_fd(), index, offset, stride, (modifier >> 32) as u32, modifier as u32);
}
