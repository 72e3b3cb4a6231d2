//! `wl_compositor` and `wl_region`.

use wayland_server::Resource;
use wayland_server::protocol::wl_compositor::{self, WlCompositor};
use wayland_server::protocol::wl_region::{self, WlRegion};

use super::global;
use super::surface::SurfaceData;
use crate::dispatch::{Ctx, Requests};
use crate::error::Outcome;
use crate::geometry::{Rect, Region};
use crate::server::Server;
use crate::surface::{SurfaceId, bounds};

global!(WlCompositor, 7, |_server, _client, object, init| {
    init.init(object, CompositorData);
});

/// A bound `wl_compositor`.
struct CompositorData;

impl Requests<WlCompositor> for CompositorData {
    fn request(&self, ctx: &mut Ctx<'_, '_>, _: &WlCompositor, request: wl_compositor::Request) -> Outcome {
        match request {
            wl_compositor::Request::CreateSurface { id } => {
                let client = ctx.state().clone();
                client.take(&client.counts.surfaces, client.limits.surfaces, "surfaces")?;
                let surface = SurfaceId(ctx.server.next_id());
                let resource = ctx.init.init(id, SurfaceData { surface, client: client.clone() });
                let scale = ctx.server.output.scale();
                // 1 is what a client has to expect without being told. Some clients bind any version
                // and are ended by their own library when a newer event arrives.
                if scale != 1 && resource.version() >= 6 {
                    resource.preferred_buffer_scale(scale);
                }
                ctx.server.surfaces.insert(surface, resource, client);
            }
            wl_compositor::Request::CreateRegion { id } => {
                let number = ctx.server.next_id();
                ctx.server.regions.insert(number, Region::default());
                ctx.init.init(id, RegionData(number));
            }
            // The interface's only other request is a destructor of newer versions.
            _ => {}
        }
        Ok(())
    }
}

/// A region of more rectangles than this becomes their bounding box.
const MAX_RECTANGLES: usize = 4096;

/// A `wl_region`; the server keeps the region, which is not for other threads.
pub(crate) struct RegionData(u64);

/// What has been added to and subtracted from `region` so far.
pub(crate) fn region_of(server: &Server, region: &WlRegion) -> Region {
    region.data::<RegionData>().and_then(|data| server.regions.get(&data.0)).cloned().unwrap_or_default()
}

impl Requests<WlRegion> for RegionData {
    fn request(&self, ctx: &mut Ctx<'_, '_>, _: &WlRegion, request: wl_region::Request) -> Outcome {
        let Some(region) = ctx.server.regions.get_mut(&self.0) else { return Ok(()) };
        match request {
            wl_region::Request::Add { x, y, width, height } => {
                *region = region.union(&Rect::new(x, y, width, height).to_region());
            }
            wl_region::Request::Subtract { x, y, width, height } => {
                *region = region.subtract(&Rect::new(x, y, width, height).to_region());
            }
            _ => return Ok(()),
        }
        if region.n_rects() > MAX_RECTANGLES {
            // Nobody draws such a shape; a program that builds one is after our time.
            *region = bounds(region).to_region();
        }
        Ok(())
    }

    fn destroyed(&self, server: &mut Server, _: &WlRegion) {
        server.regions.remove(&self.0);
    }
}
