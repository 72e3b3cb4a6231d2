//! `xdg_positioner`: collects the rules by which a popup is placed.

use std::sync::{Mutex, MutexGuard, PoisonError};

use selkie_protocols::upstream::xdg::shell::server::xdg_positioner::{
    self, Anchor, ConstraintAdjustment, Gravity, XdgPositioner,
};
use selkie_protocols::upstream::xdg::shell::server::xdg_wm_base;
use wayland_server::{Resource, WEnum};

use crate::dispatch::{Ctx, Requests};
use crate::error::{Outcome, ProtocolError};
use crate::geometry::{Point, Rect, Size};
use crate::shell::{Positioner, Sides};

/// An `xdg_positioner`. The mutex is never contended: all requests come from one thread.
#[derive(Default)]
pub(crate) struct PositionerData(Mutex<Positioner>);

impl PositionerData {
    fn rules(&self) -> MutexGuard<'_, Positioner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A copy of the rules of `object`.
///
/// # Errors
///
/// `xdg_wm_base.error.invalid_positioner`, to be reported on the `xdg_wm_base`.
pub(crate) fn complete(object: &XdgPositioner) -> Result<Positioner, ProtocolError> {
    let rules = object.data::<PositionerData>().map(|d| *d.rules()).unwrap_or_default();
    if !rules.is_complete() {
        let message = "the positioner needs a set_size and a set_anchor_rect that are not empty";
        return Err(ProtocolError::new(xdg_wm_base::Error::InvalidPositioner, message));
    }
    Ok(rules)
}

impl Requests<XdgPositioner> for PositionerData {
    fn request(&self, _: &mut Ctx<'_, '_>, _: &XdgPositioner, request: xdg_positioner::Request) -> Outcome {
        use xdg_positioner::Request;
        let invalid = |what: String| Err(ProtocolError::new(xdg_positioner::Error::InvalidInput, what));
        let mut rules = self.rules();
        match request {
            Request::SetSize { width, height } => {
                if width <= 0 || height <= 0 {
                    return invalid(format!("a size of {width}x{height}"));
                }
                rules.size = Size::new(width, height);
            }
            Request::SetAnchorRect { x, y, width, height } => {
                if width < 0 || height < 0 {
                    return invalid(format!("an anchor rectangle of {width}x{height}"));
                }
                rules.anchor_rect = Rect::new(x, y, width, height);
            }
            Request::SetAnchor { anchor } => match anchor {
                WEnum::Value(anchor) => rules.anchor = anchor_sides(anchor),
                WEnum::Unknown(n) => return invalid(format!("there is no anchor {n}")),
            },
            Request::SetGravity { gravity } => match gravity {
                WEnum::Value(gravity) => rules.gravity = gravity_sides(gravity),
                WEnum::Unknown(n) => return invalid(format!("there is no gravity {n}")),
            },
            Request::SetConstraintAdjustment { constraint_adjustment } => match constraint_adjustment {
                WEnum::Value(bits) => {
                    let has = |bit| bits.contains(bit);
                    rules.slide = (has(ConstraintAdjustment::SlideX), has(ConstraintAdjustment::SlideY));
                    rules.flip = (has(ConstraintAdjustment::FlipX), has(ConstraintAdjustment::FlipY));
                    rules.resize = (has(ConstraintAdjustment::ResizeX), has(ConstraintAdjustment::ResizeY));
                }
                WEnum::Unknown(n) => return invalid(format!("there is no constraint adjustment {n:#x}")),
            },
            Request::SetOffset { x, y } => rules.offset = Point::new(x, y),
            Request::SetReactive => rules.reactive = true,
            // Where a popup goes depends on the anchor rectangle, which the client gave for the
            // parent it is going to have, and on the screen: the parent's size is not needed.
            Request::SetParentSize { .. } | Request::SetParentConfigure { .. } => {}
            _ => {}
        }
        Ok(())
    }
}

fn anchor_sides(anchor: Anchor) -> Sides {
    let (x, y) = match anchor {
        Anchor::Top => (0, -1),
        Anchor::Bottom => (0, 1),
        Anchor::Left => (-1, 0),
        Anchor::Right => (1, 0),
        Anchor::TopLeft => (-1, -1),
        Anchor::BottomLeft => (-1, 1),
        Anchor::TopRight => (1, -1),
        Anchor::BottomRight => (1, 1),
        _ => (0, 0),
    };
    Sides { x, y }
}

fn gravity_sides(gravity: Gravity) -> Sides {
    let (x, y) = match gravity {
        Gravity::Top => (0, -1),
        Gravity::Bottom => (0, 1),
        Gravity::Left => (-1, 0),
        Gravity::Right => (1, 0),
        Gravity::TopLeft => (-1, -1),
        Gravity::BottomLeft => (-1, 1),
        Gravity::TopRight => (1, -1),
        Gravity::BottomRight => (1, 1),
        _ => (0, 0),
    };
    Sides { x, y }
}
