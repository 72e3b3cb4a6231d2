//! `zxdg_output_manager_v1`: where the output is, and how large in logical units. What `wl_output` says tells as much, with one output;
//! but programs that take pictures (grim) ask here, and take the size to be 0 where nobody answers.

use selkie_protocols::upstream::xdg::xdg_output::zv1::server::zxdg_output_manager_v1::{
    self as manager, ZxdgOutputManagerV1,
};
use selkie_protocols::upstream::xdg::xdg_output::zv1::server::zxdg_output_v1::{self, ZxdgOutputV1};
use wayland_server::Resource;

use super::global;
use super::output::{DESCRIPTION, NAME};
use crate::dispatch::{Ctx, Requests};
use crate::error::Outcome;
use crate::geometry::Size;
use crate::server::Server;

global!(ZxdgOutputManagerV1, 3, |_server, _client, object, init| {
    init.init(object, ManagerData);
});

/// A bound `zxdg_output_manager_v1`.
struct ManagerData;

impl Requests<ZxdgOutputManagerV1> for ManagerData {
    fn request(&self, ctx: &mut Ctx<'_, '_>, _: &ZxdgOutputManagerV1, request: manager::Request) -> Outcome {
        let manager::Request::GetXdgOutput { id, output } = request else { return Ok(()) };
        let described = ctx.init.init(id, XdgOutputData);
        described.logical_position(0, 0);
        if described.version() >= 2 {
            described.name(NAME.into());
            described.description(DESCRIPTION.into());
        }
        tell_size(&described, ctx.server.output.logical_size());
        if described.version() >= 3 && output.version() >= 2 {
            output.done();
        }
        ctx.server.output.described.push(described.downgrade());
        Ok(())
    }
}

/// Says how large the output is; from version 3 on that counts with the next `wl_output.done`.
pub(super) fn tell_size(described: &ZxdgOutputV1, size: Size) {
    described.logical_size(size.w, size.h);
    if described.version() < 3 {
        described.done();
    }
}

/// A `zxdg_output_v1`.
struct XdgOutputData;

impl Requests<ZxdgOutputV1> for XdgOutputData {
    fn request(&self, _: &mut Ctx<'_, '_>, _: &ZxdgOutputV1, _: zxdg_output_v1::Request) -> Outcome {
        Ok(())
    }

    fn destroyed(&self, server: &mut Server, object: &ZxdgOutputV1) {
        server.output.described.retain(|o| o.id() != object.id());
    }
}
