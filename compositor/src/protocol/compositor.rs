//! `wl_compositor` and `wl_region`.

use std::sync::{Mutex, PoisonError};

use wayland_server::protocol::wl_compositor::{self, WlCompositor};
use wayland_server::protocol::wl_region::{self, WlRegion};

use super::global;
use super::surface::SurfaceData;
use crate::dispatch::{Ctx, Requests};
use crate::error::Outcome;
use crate::geometry::{Rect, Region};
use crate::surface::{Damage, SurfaceId, bounds};

global!(WlCompositor, 7, |_server, _client, object, init| {
    init.init(object, CompositorData);
});

/// A bound `wl_compositor`.
struct CompositorData;

impl Requests<WlCompositor> for CompositorData {
    fn request(&self, ctx: &mut Ctx<'_, '_>, object: &WlCompositor, request: wl_compositor::Request) -> Outcome {
        use wayland_server::Resource;
        match request {
            wl_compositor::Request::CreateSurface { id } => {
                let client = ctx.state().clone();
                client.take(&client.counts.surfaces, client.limits.surfaces, "surfaces").map_err(|e| e.on(object))?;
                let surface = SurfaceId(ctx.server.next_id());
                let resource = ctx.init.init(id, SurfaceData { surface, client: client.clone() });
                if resource.version() >= 6 {
                    resource.preferred_buffer_scale(ctx.server.output.scale());
                    resource.preferred_buffer_transform(
                        wayland_server::protocol::wl_output::Transform::Normal,
                    );
                }
                ctx.server.surfaces.insert(surface, resource, client);
            }
            wl_compositor::Request::CreateRegion { id } => {
                ctx.init.init(id, RegionData::default());
            }
            // The interface's only other request is a destructor of newer versions.
            _ => {}
        }
        Ok(())
    }
}

/// More rectangles than this and a region is refused further detail.
const MAX_RECTANGLES: usize = 4096;

/// A `wl_region`.
#[derive(Default)]
pub(crate) struct RegionData(Mutex<SendRegion>);

#[derive(Default)]
struct SendRegion(Region);

impl RegionData {
    /// What has been added and subtracted so far.
    pub fn get(&self) -> Region {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0.clone()
    }
}

impl Requests<WlRegion> for RegionData {
    fn request(&self, _: &mut Ctx<'_, '_>, _: &WlRegion, request: wl_region::Request) -> Outcome {
        let mut region = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match request {
            wl_region::Request::Add { x, y, width, height } => {
                let rect = Rect::new(x, y, width, height).to_region();
                region.0 = region.0.union(&rect);
            }
            wl_region::Request::Subtract { x, y, width, height } => {
                let rect = Rect::new(x, y, width, height).to_region();
                region.0 = region.0.subtract(&rect);
            }
            _ => return Ok(()),
        }
        if region.0.n_rects() > MAX_RECTANGLES {
            // Nobody draws such a shape; a program that builds one is after our time.
            let mut around = Damage::default();
            around.add(bounds(&region.0));
            region.0 = around.region().clone();
        }
        Ok(())
    }
}
