//! zwp_linux_dmabuf_v1: planes are collected, and every number is checked before the file is asked what it is.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex};

use rustix::fs::{MemfdFlags, SealFlags};
use selkie_protocols::upstream::wp::linux_dmabuf::zv1::server::zwp_linux_buffer_params_v1::{
    self as params, Error, ZwpLinuxBufferParamsV1,
};
use selkie_protocols::upstream::wp::linux_dmabuf::zv1::server::zwp_linux_dmabuf_feedback_v1::{
    self as feedback, TrancheFlags, ZwpLinuxDmabufFeedbackV1,
};
use selkie_protocols::upstream::wp::linux_dmabuf::zv1::server::zwp_linux_dmabuf_v1::{
    self as dmabuf, ZwpLinuxDmabufV1,
};
use shm_core::dmabuf::DmaBuf;
use wayland_server::backend::{ClientId, ObjectId};
use wayland_server::protocol::wl_buffer;
use wayland_server::{Client, DataInit, Dispatch, DisplayHandle, GlobalDispatch, New, Resource, WEnum};

use super::{Handle, State, shm};

const XR24: u32 = u32::from_le_bytes(*b"XR24");
const NV12: u32 = u32::from_le_bytes(*b"NV12");
const LINEAR: u64 = 0;
/// The formats that are offered, and how many planes each has.
const FORMATS: [(u32, usize); 2] = [(XR24, 1), (NV12, 2)];

struct Plane {
    index: u32,
    fd: OwnedFd,
    offset: u32,
    stride: u32,
    modifier: u64,
}

#[derive(Default)]
pub struct Params {
    used: bool,
    planes: Vec<Plane>,
}

pub fn globals(handle: &Handle) {
    handle.create_global::<State, ZwpLinuxDmabufV1, ()>(5, ());
}

impl GlobalDispatch<ZwpLinuxDmabufV1, ()> for State {
    fn bind(
        state: &mut Self,
        _: &Handle,
        _: &Client,
        new: New<ZwpLinuxDmabufV1>,
        (): &(),
        init: &mut DataInit<'_, Self>,
    ) {
        let global = init.init(new, ());
        let told = if state.has("forgets-old-clients") { 1 } else { FORMATS.len() };
        if global.version() == 3 {
            FORMATS.iter().take(told).for_each(|(format, _)| global.modifier(*format, 0, 0));
        }
    }
}

/// The table of formats and modifiers.
fn table(state: &mut State) -> Arc<OwnedFd> {
    if let Some(table) = state.table.clone().filter(|_| state.has("shares-its-table")) {
        return table;
    }
    let fd = rustix::fs::memfd_create("table", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
    let entry = |format: u32| [format.to_ne_bytes(), [0; 4], [0; 4], [0; 4]].concat();
    rustix::io::pwrite(&fd, &[entry(XR24), entry(NV12)].concat(), 0).unwrap();
    if !state.has("shares-its-table") {
        let seals = SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW;
        rustix::fs::fcntl_add_seals(&fd, seals).unwrap();
    }
    let table = Arc::new(fd);
    state.table = state.has("shares-its-table").then(|| table.clone());
    table
}

fn tell(state: &mut State, feedback: &ZwpLinuxDmabufFeedbackV1) {
    let (table, device) = (table(state), 7_u64.to_ne_bytes().to_vec());
    feedback.format_table(table.as_fd(), 32);
    feedback.main_device(device.clone());
    feedback.tranche_target_device(device);
    feedback.tranche_flags(TrancheFlags::empty());
    let mut indices: Vec<u16> = vec![0, 1];
    if state.has("points-beyond-the-table") {
        indices.push(2);
    }
    if state.has("offers-twice") {
        indices.push(0);
    }
    feedback.tranche_formats(indices.iter().flat_map(|index| index.to_ne_bytes()).collect());
    feedback.tranche_done();
    feedback.done();
}

impl Dispatch<ZwpLinuxDmabufV1, ()> for State {
    fn request(
        state: &mut Self,
        _: &Client,
        _: &ZwpLinuxDmabufV1,
        request: dmabuf::Request,
        (): &(),
        _: &DisplayHandle,
        init: &mut DataInit<'_, Self>,
    ) {
        match request {
            dmabuf::Request::CreateParams { params_id } => {
                init.init(params_id, Mutex::new(Params::default()));
            }
            dmabuf::Request::GetDefaultFeedback { id } => tell(state, &init.init(id, None)),
            dmabuf::Request::GetSurfaceFeedback { id, surface } => {
                tell(state, &init.init(id, Some(surface.id())));
            }
            _ => {}
        }
    }
}

impl Dispatch<ZwpLinuxDmabufFeedbackV1, Option<ObjectId>> for State {
    fn request(
        _: &mut Self,
        _: &Client,
        _: &ZwpLinuxDmabufFeedbackV1,
        _: feedback::Request,
        _: &Option<ObjectId>,
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
    }

    fn destroyed(state: &mut Self, _: ClientId, _: &ZwpLinuxDmabufFeedbackV1, surface: &Option<ObjectId>) {
        let gone = surface.as_ref().is_some_and(|surface| !state.surfaces.contains_key(surface));
        assert!(!gone || !state.has("looks-for-the-surface"), "no such surface");
    }
}

impl Dispatch<ZwpLinuxBufferParamsV1, Mutex<Params>> for State {
    fn request(
        state: &mut Self,
        client: &Client,
        object: &ZwpLinuxBufferParamsV1,
        request: params::Request,
        params: &Mutex<Params>,
        handle: &DisplayHandle,
        init: &mut DataInit<'_, Self>,
    ) {
        let mut params = params.lock().unwrap();
        let again = state.has("uses-parameters-again");
        match request {
            params::Request::Add { fd, plane_idx: index, offset, stride, modifier_hi, modifier_lo } => {
                if params.used && !again {
                    return object.post_error(Error::AlreadyUsed, "used");
                }
                if state.has("believes-plane-numbers") {
                    let _ = [false; 4][index as usize];
                }
                if index >= 4 {
                    return object.post_error(Error::PlaneIdx, "no such plane");
                }
                let set = params.planes.iter().any(|plane| plane.index == index);
                if set && !state.has("takes-planes-twice") {
                    return object.post_error(Error::PlaneSet, "it is there already");
                }
                if state.has("keeps-planes") {
                    std::mem::forget(fd.try_clone());
                }
                let modifier = u64::from(modifier_hi) << 32 | u64::from(modifier_lo);
                params.planes.push(Plane { index, fd, offset, stride, modifier });
            }
            params::Request::Create { width, height, format, flags } => {
                if std::mem::replace(&mut params.used, true) && !again {
                    return object.post_error(Error::AlreadyUsed, "used");
                }
                if state.has("knows-all-flags") {
                    let known = flags.into_result().map(|flags| flags.bits()).unwrap_or(u32::MAX);
                    assert!(known < 8, "unreachable");
                }
                match make(state, std::mem::take(&mut params.planes), (width, height), format) {
                    Err(Some((error, why))) => object.post_error(error, why),
                    Err(None) => object.failed(),
                    Ok(buffer) => {
                        let buffer =
                            client.create_resource::<wl_buffer::WlBuffer, _, State>(handle, 1, buffer);
                        object.created(&buffer.unwrap());
                    }
                }
            }
            params::Request::CreateImmed { buffer_id, width, height, format, flags } => {
                assert!(!state.has("knows-no-immed"), "unreachable: {flags:?}");
                if std::mem::replace(&mut params.used, true) && !again {
                    return object.post_error(Error::AlreadyUsed, "used");
                }
                match make(state, std::mem::take(&mut params.planes), (width, height), format) {
                    Err(Some((error, why))) => object.post_error(error, why),
                    Err(None) => object.post_error(Error::InvalidWlBuffer, "it cannot be used"),
                    Ok(buffer) => drop(init.init(buffer_id, buffer)),
                }
            }
            _ => {}
        }
    }
}

/// A buffer of planes, or an error, or neither.
fn make(
    state: &State,
    mut planes: Vec<Plane>,
    (width, height): (i32, i32),
    format: u32,
) -> Result<shm::Buffer, Option<(Error, &'static str)>> {
    planes.sort_by_key(|plane| plane.index);
    if planes.is_empty() && !state.has("wants-a-plane") {
        return Err(Some((Error::Incomplete, "no planes")));
    }
    let modifier = planes[0].modifier;
    let alike =
        state.has("looks-at-the-first-modifier") || planes.iter().all(|plane| plane.modifier == modifier);
    if (modifier != LINEAR || !alike) && !state.has("takes-any-modifier") {
        return Err(Some((Error::InvalidFormat, "not linear")));
    }
    let known = FORMATS.iter().find(|known| known.0 == format);
    if known.is_none() && !state.has("takes-any-format") {
        return Err(Some((Error::InvalidFormat, "not offered")));
    }
    let count = known.map_or(1, |known| known.1);
    let gap = planes.iter().enumerate().any(|(at, plane)| plane.index as usize != at);
    if planes.len() != count && !state.has("counts-no-planes") || gap && !state.has("overlooks-gaps") {
        return Err(Some((Error::Incomplete, "not these planes")));
    }
    if (width <= 0 || height <= 0) && !state.has("takes-any-size") {
        return Err(Some((Error::InvalidDimensions, "no size")));
    }
    let first = planes.remove(0);
    let extent = |plane: &Plane| {
        let row = if format == NV12 { i64::from(width) } else { i64::from(width) * 4 };
        let rows = i64::from(height) >> plane.index;
        let end = i64::from(plane.offset) + i64::from(plane.stride) * rows;
        let end = if state.has("counts-in-32-bits") { i64::from(end as i32) } else { end };
        let row = if state.has("counts-in-32-bits") { i64::from(row as i32) } else { row };
        // A dma-buf tells its size by seeking, as other files do.
        let size = rustix::fs::seek(&plane.fd, rustix::fs::SeekFrom::End(0)).map_or(i64::MAX, |n| n as i64);
        row <= i64::from(plane.stride) && end <= size
    };
    let fits = extent(&first) && planes.iter().all(extent);
    if !fits && !state.has("takes-any-extent") {
        return Err(Some((Error::OutOfBounds, "beyond the end")));
    }
    let (fd, offset, stride) = (first.fd, first.offset, first.stride);
    if !state.has("takes-any-fd") {
        let real = |fd: &OwnedFd| DmaBuf::new(fd.try_clone().unwrap()).is_ok();
        if !real(&fd) || !planes.iter().all(|plane| real(&plane.fd)) {
            return Err(None);
        }
    }
    Ok(shm::Buffer::of_dmabuf(fd, (offset, width, height, stride)))
}
