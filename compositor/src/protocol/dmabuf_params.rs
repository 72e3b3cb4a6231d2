//! `zwp_linux_buffer_params_v1`: planes are added one by one, and become a `wl_buffer`.
//!
//! What is plainly a client's mistake is a protocol error. What it could not know (that an fd is no dma-buf, that a driver does
//! not let the CPU in) is `failed` after `create`, and `invalid_wl_buffer` after `create_immed`, which has no way back.

use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use selkie_protocols::upstream::wp::linux_dmabuf::zv1::server::zwp_linux_buffer_params_v1::{
    self as params, Error, ZwpLinuxBufferParamsV1,
};
use wayland_server::Resource;
use wayland_server::protocol::wl_buffer::WlBuffer;

use super::shm::{BufferData, describe};
use crate::backend::Answer;
use crate::buffer::fourcc::{DrmFormat, IMPLICIT, fourcc_name, modifier_name};
use crate::buffer::{
    AdmitError, Buffer, DmaImage, DmaMemory, Extent, Plane, PlaneError, Source, Y_INVERT, check_linear,
    check_opaque, is_linear,
};
use crate::dispatch::{Ctx, Requests, post};
use crate::error::{Outcome, ProtocolError};
use crate::geometry::Size;
use crate::server::Server;

/// drm_fourcc.h: no format has more planes.
const MOST_PLANES: usize = 4;

/// A `zwp_linux_buffer_params_v1`.
#[derive(Default)]
pub(super) struct ParamsData(Mutex<Params>);

#[derive(Default)]
struct Params {
    used: bool,
    planes: [Option<Added>; MOST_PLANES],
    modifier: Option<u64>,
    /// Planes disagree on the modifier, which was no error before version 5.
    mixed: bool,
}

/// A plane that was added.
struct Added {
    /// The dma-buf, or why the fd is none.
    memory: Result<Arc<DmaMemory>, String>,
    offset: u32,
    stride: u32,
}

/// What `create` and `create_immed` have in common.
struct Wanted {
    width: i32,
    height: i32,
    fourcc: u32,
    flags: u32,
}

/// A picture that did not come to be.
enum Refusal {
    /// The client's mistake.
    Error(ProtocolError),
    /// Nobody's.
    Failed(String),
}

impl From<ProtocolError> for Refusal {
    fn from(error: ProtocolError) -> Self {
        Refusal::Error(error)
    }
}

impl Requests<ZwpLinuxBufferParamsV1> for ParamsData {
    fn request(
        &self,
        ctx: &mut Ctx<'_, '_>,
        object: &ZwpLinuxBufferParamsV1,
        request: params::Request,
    ) -> Outcome {
        use params::Request;
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match request {
            Request::Add { fd, plane_idx, offset, stride, modifier_hi, modifier_lo } => {
                let modifier = u64::from(modifier_hi) << 32 | u64::from(modifier_lo);
                let slot = match state.slot(plane_idx, modifier, object.version()) {
                    Ok(slot) => slot,
                    Err(error) => {
                        // Closing a file may wait for its owner; that must not be us.
                        shm_core::closer::close_elsewhere(fd);
                        return Err(error);
                    }
                };
                let memory = admit(ctx, fd)?;
                *slot = Some(Added { memory, offset, stride });
            }
            Request::Create { width, height, format, flags } => {
                let wanted = Wanted { width, height, fourcc: format, flags: flags.into() };
                let planes = state.take()?;
                // Every dma-buf that makes no buffer is let go of here.
                match make(ctx, object, planes, state.mixed, &wanted) {
                    Ok(buffer) => match ctx.server.can_show(&buffer) {
                        Answer::Taken => created(ctx.server, object, buffer),
                        Answer::Refused => failed(ctx.server, object, &buffer),
                        Answer::Asked => {
                            let waiting = Waiting { params: object.clone(), buffer, exists: false };
                            ctx.server.dmabufs.wait(waiting);
                        }
                    },
                    Err(Refusal::Error(error)) => return Err(error),
                    Err(Refusal::Failed(why)) => {
                        refused(ctx, wanted.fourcc, &why);
                        object.failed();
                    }
                }
            }
            Request::CreateImmed { buffer_id, width, height, format, flags } => {
                let wanted = Wanted { width, height, fourcc: format, flags: flags.into() };
                let planes = state.take()?;
                let buffer = match make(ctx, object, planes, state.mixed, &wanted) {
                    Ok(buffer) => buffer,
                    Err(Refusal::Error(error)) => return Err(error),
                    Err(Refusal::Failed(why)) => {
                        refused(ctx, wanted.fourcc, &why);
                        return Err(ProtocolError::new(Error::InvalidWlBuffer, why));
                    }
                };
                let resource = ctx.init.init(buffer_id, BufferData { buffer: buffer.clone() });
                buffer.set_resource(resource);
                ctx.server.ledger.buffer_made(&buffer);
                match ctx.server.can_show(&buffer) {
                    Answer::Taken => {}
                    Answer::Refused => return Err(not_taken()),
                    // Until then it is composed, if it can be.
                    Answer::Asked => {
                        let waiting = Waiting { params: object.clone(), buffer, exists: true };
                        ctx.server.dmabufs.wait(waiting);
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// A buffer that the host has yet to try.
pub(crate) struct Waiting {
    params: ZwpLinuxBufferParamsV1,
    buffer: Arc<Buffer>,
    /// Whether the client has it already (`create_immed`).
    exists: bool,
}

impl Waiting {
    /// The buffer's number.
    pub fn id(&self) -> u64 {
        self.buffer.id()
    }
}

fn created(server: &mut Server, params: &ZwpLinuxBufferParamsV1, buffer: Arc<Buffer>) {
    let data = BufferData { buffer: buffer.clone() };
    let client = params.client();
    let made = client.and_then(|c| c.create_resource::<WlBuffer, _, Server>(&server.display, 1, data).ok());
    // It fails only for a client that is gone.
    let Some(resource) = made else { return };
    params.created(&resource);
    buffer.set_resource(resource);
    server.ledger.buffer_made(&buffer);
}

fn failed(server: &mut Server, params: &ZwpLinuxBufferParamsV1, buffer: &Buffer) {
    let client = buffer.client();
    client.counts.buffers.fetch_sub(1, Ordering::Relaxed);
    if let Some(image) = buffer.dmabuf() {
        server.ledger.dmabuf_refused(client, image.fourcc(), NOT_TAKEN);
    }
    params.failed();
}

/// Whether it can be composed.
fn is_readable(buffer: &Buffer) -> bool {
    buffer.dmabuf().is_some_and(|image| image.is_readable() && image.map().is_ok())
}

const NOT_TAKEN: &str = "only a GPU can read it, and the host does not take it";

fn not_taken() -> ProtocolError {
    ProtocolError::new(Error::InvalidWlBuffer, NOT_TAKEN)
}

impl Server {
    /// Whether a picture in dma-bufs can be shown in any way.
    fn can_show(&self, buffer: &Buffer) -> Answer {
        match self.backend.try_dmabuf(buffer) {
            Answer::Refused if is_readable(buffer) => Answer::Taken,
            answer => answer,
        }
    }

    /// The host has tried a buffer.
    pub fn dmabuf_answer(&mut self, buffer: u64, taken: bool) {
        // What could only be composed until now can be forwarded.
        self.schedule_frame();
        let Some(Waiting { params, buffer, exists }) = self.dmabufs.waited(buffer) else { return };
        match (exists, taken) {
            (true, true) => {}
            (true, false) if is_readable(&buffer) => {}
            (true, false) => post(&self.display, buffer.client(), params.id(), not_taken()),
            (false, _) if !params.is_alive() => {
                buffer.client().counts.buffers.fetch_sub(1, Ordering::Relaxed);
            }
            (false, taken) if taken || is_readable(&buffer) => created(self, &params, buffer),
            (false, _) => failed(self, &params, &buffer),
        }
    }
}

impl Params {
    /// Where a plane goes.
    fn slot(&mut self, index: u32, modifier: u64, version: u32) -> Result<&mut Option<Added>, ProtocolError> {
        if self.used {
            return Err(already_used());
        }
        let slot = usize::try_from(index).ok().and_then(|i| self.planes.get_mut(i)).ok_or_else(|| {
            let message = format!("there is no plane {index}: at most {MOST_PLANES}, counted from 0");
            ProtocolError::new(Error::PlaneIdx, message)
        })?;
        if slot.is_some() {
            return Err(ProtocolError::new(Error::PlaneSet, format!("plane {index} was added before")));
        }
        let first = *self.modifier.get_or_insert(modifier);
        if first != modifier {
            if version >= 5 {
                let (first, other) = (modifier_name(first), modifier_name(modifier));
                let message = format!("plane {index} is {other}, the ones before are {first}");
                return Err(ProtocolError::new(Error::InvalidFormat, message));
            }
            self.mixed = true;
        }
        Ok(slot)
    }

    /// The planes, in their order, and their modifier. Nothing can be added any more.
    fn take(&mut self) -> Result<(Vec<Added>, u64), ProtocolError> {
        if std::mem::replace(&mut self.used, true) {
            return Err(already_used());
        }
        let given = self.planes.iter().flatten().count();
        let planes: Vec<Added> = std::mem::take(&mut self.planes).into_iter().map_while(|p| p).collect();
        match self.modifier {
            Some(modifier) if planes.len() == given => Ok((planes, modifier)),
            Some(_) => {
                let message = format!("{given} planes were added, but there is no plane {}", planes.len());
                Err(ProtocolError::new(Error::Incomplete, message))
            }
            None => Err(ProtocolError::new(Error::Incomplete, "no planes were added")),
        }
    }
}

fn already_used() -> ProtocolError {
    let message = "these parameters have made a buffer already: they can only be destroyed";
    ProtocolError::new(Error::AlreadyUsed, message)
}

fn refused(ctx: &mut Ctx<'_, '_>, fourcc: u32, why: &str) {
    let client = ctx.state().clone();
    ctx.server.ledger.dmabuf_refused(&client, fourcc, why);
}

fn admit(ctx: &Ctx<'_, '_>, fd: OwnedFd) -> Result<Result<Arc<DmaMemory>, String>, ProtocolError> {
    match DmaMemory::admit(fd, ctx.state()) {
        Ok(memory) => Ok(Ok(memory)),
        Err(AdmitError::Refused(why)) => Ok(Err(describe(&why))),
        Err(AdmitError::Limit(error)) => Err(error),
    }
}

fn make(
    ctx: &mut Ctx<'_, '_>,
    object: &ZwpLinuxBufferParamsV1,
    (planes, mut modifier): (Vec<Added>, u64),
    mixed: bool,
    wanted: &Wanted,
) -> Result<Arc<Buffer>, Refusal> {
    let Wanted { width, height, fourcc, flags } = *wanted;
    let dmabufs = &ctx.server.dmabufs;
    let known = DrmFormat::from_fourcc(fourcc);
    let name = fourcc_name(fourcc);
    if object.version() < 3 && modifier == IMPLICIT {
        // There were no modifiers yet, and what was offered was linear.
        modifier = crate::buffer::fourcc::LINEAR;
    }
    let offered = dmabufs.is_offered((fourcc, modifier));
    if !offered && (object.version() >= 4 || (known.is_none() && !dmabufs.knows(fourcc))) {
        let message = format!("{name}, {} was not offered", modifier_name(modifier));
        return Err(ProtocolError::new(Error::InvalidFormat, message).into());
    }
    // What every reader of numbers can check comes before what only the kernel knows.
    let given: Vec<Option<Extent>> = planes
        .iter()
        .map(|p| p.memory.as_ref().ok().map(|m| (p.offset, p.stride, m.dmabuf().size())))
        .collect();
    let extents: Vec<Extent> =
        planes.iter().zip(&given).map(|(p, known)| known.unwrap_or((p.offset, p.stride, u64::MAX))).collect();
    let exporters = planes.iter().filter_map(|p| p.memory.as_ref().ok()).map(|m| m.dmabuf().exporter());
    let linear = is_linear(modifier, exporters);
    let checked = match known.filter(|_| linear) {
        Some(format) => check_linear(format, (width, height), &extents),
        None => check_opaque(fourcc, (width, height), &extents),
    };
    checked.map_err(plane_error)?;
    if mixed {
        return Err(Refusal::Failed("the planes are not arranged alike: their modifiers differ".into()));
    }
    if flags & !Y_INVERT != 0 {
        return Err(Refusal::Failed(format!("flags {flags:#x}: interlaced pictures cannot be shown")));
    }
    let planes: Vec<Plane> = planes
        .into_iter()
        .map(|p| Ok(Plane { memory: p.memory?, offset: p.offset, stride: p.stride }))
        .collect::<Result<_, String>>()
        .map_err(Refusal::Failed)?;
    let passable = dmabufs.is_passable((fourcc, modifier));
    let client = ctx.state().clone();
    let size = Size::new(width, height);
    let image = DmaImage::new(client.clone(), size, (fourcc, modifier), flags, planes);
    if !passable {
        if !image.is_readable() {
            let modifier = modifier_name(modifier);
            return Err(Refusal::Failed(format!(
                "{name}, {modifier} from {}: cannot be read",
                image.exporters()
            )));
        }
        image.map().map_err(|e| Refusal::Failed(describe(&e)))?;
    }
    client.take(&client.counts.buffers, client.limits.buffers, "buffers")?;
    Ok(Buffer::new(ctx.server.next_id(), Source::DmaBuf(image)))
}

fn plane_error(error: PlaneError) -> ProtocolError {
    let code = match error {
        PlaneError::Count { .. } => Error::Incomplete,
        PlaneError::Empty(..) => Error::InvalidDimensions,
        PlaneError::ShortStride { .. } | PlaneError::Beyond { .. } => Error::OutOfBounds,
    };
    ProtocolError::new(code, error.to_string())
}
