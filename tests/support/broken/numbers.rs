//! What is to be checked of the numbers that come with a surface, and how they are added where nobody checks.

use selkie_protocols::upstream::wp::viewporter::server::wp_viewport;
use wayland_server::Resource;
use wayland_server::protocol::wl_surface;

use super::State;

/// A surface's scale and crop, as they were last set.
#[derive(Default)]
pub struct Scaled {
    pub scale: Option<i32>,
    pub viewport: Option<wp_viewport::WpViewport>,
    pub source: Option<(f64, f64, f64, f64)>,
    pub destination: Option<(i32, i32)>,
}

/// The right and the lower edge of a rectangle, in 32 bits.
pub fn edges((x, y, width, height): (i32, i32, i32, i32)) -> (i32, i32) {
    (x.checked_add(width).expect("overflow"), y.checked_add(height).expect("overflow"))
}

/// A rectangle of a region, which some take for granted to be one.
pub fn rectangle(state: &State, (x, y, width, height): (i32, i32, i32, i32)) {
    if state.has("adds-in-32-bits") {
        edges((x, y, width, height));
    }
    assert!(width >= 0 && height >= 0 || !state.has("asserts-rectangles"), "no rectangle");
}

/// Where a surface is after a step, in 32 bits.
pub fn moved((x, y): (i32, i32), (by_x, by_y): (i32, i32)) -> (i32, i32) {
    edges((x, y, by_x, by_y))
}

/// Whether scale and crop fit a buffer of that size. If not, the client has been told.
pub fn commit(state: &State, surface: &wl_surface::WlSurface, (width, height): (i32, i32)) -> bool {
    let Some(scaled) = state.surfaces.get(&surface.id()).map(|known| &known.scaled) else { return false };
    let scale = scaled.scale.unwrap_or(1).max(1);
    if (width % scale != 0 || height % scale != 0) && !state.has("takes-any-scale") {
        surface.post_error(wl_surface::Error::InvalidSize, "the scale does not divide the size");
        return false;
    }
    let Some(viewport) = scaled.viewport.as_ref().filter(|_| !state.has("takes-any-viewport")) else {
        return true;
    };
    if let Some((w, h)) = scaled.destination.filter(|_| state.has("adds-in-32-bits")) {
        w.checked_mul(h).expect("overflow");
    }
    let Some((x, y, w, h)) = scaled.source else { return true };
    if scaled.destination.is_none() && (w.fract() != 0.0 || h.fract() != 0.0) {
        viewport.post_error(wp_viewport::Error::BadSize, "no whole size");
        return false;
    }
    if x + w > f64::from(width / scale) || y + h > f64::from(height / scale) {
        viewport.post_error(wp_viewport::Error::OutOfBuffer, "not in the buffer");
        return false;
    }
    true
}
