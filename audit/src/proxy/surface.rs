//! Surfaces: which buffer is committed when.

use std::rc::Rc;

use wl_proxy::object::ObjectUtils;
use wl_proxy::protocols::wayland::wl_buffer::WlBuffer;
use wl_proxy::protocols::wayland::wl_compositor::{WlCompositor, WlCompositorHandler};
use wl_proxy::protocols::wayland::wl_surface::{WlSurface, WlSurfaceHandler};

use super::Record;
use super::shm::BufferHandler;

pub(super) struct Compositor(pub Record);

impl WlCompositorHandler for Compositor {
    fn handle_create_surface(&mut self, slf: &Rc<WlCompositor>, id: &Rc<WlSurface>) {
        id.set_handler(Surface { record: self.0.clone(), attached: None });
        slf.send_create_surface(id);
    }
}

struct Surface {
    record: Record,
    /// The buffer that the next commit shows.
    attached: Option<usize>,
}

impl WlSurfaceHandler for Surface {
    fn handle_attach(&mut self, slf: &Rc<WlSurface>, buffer: Option<&Rc<WlBuffer>>, x: i32, y: i32) {
        self.attached =
            buffer.and_then(|b| b.try_get_handler_ref::<BufferHandler>().ok().map(|handler| handler.index));
        slf.send_attach(buffer, x, y);
    }

    fn handle_commit(&mut self, slf: &Rc<WlSurface>) {
        if let Some(buffer) = self.attached.take() {
            self.record.borrow_mut().committed(buffer);
        }
        slf.send_commit();
    }
}
