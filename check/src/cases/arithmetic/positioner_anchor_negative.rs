//! What a menu is placed at may be a point, but not less.

use selkie_protocols::upstream::xdg::shell::client::xdg_positioner;
use selkie_protocols::upstream::xdg::shell::client::xdg_wm_base::XdgWmBase;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "arithmetic.positioner-anchor-negative",
    does: "Gives a positioner anchor rectangles of negative size, each over a connection of its own.",
    must: "The client is ended with xdg_positioner.invalid_input.",
    reference: "xdg-shell.xml, xdg_positioner.set_anchor_rect",
    matters: "Menus are placed by its edges.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    for (width, height) in [(-1, 8), (8, -1), (i32::MIN, i32::MIN)] {
        let mut client = session.connect()?;
        let wm: XdgWmBase = client.bind(6)?;
        let positioner = client.note(wm.create_positioner(&client.qh(), ()));
        positioner.set_anchor_rect(0, 0, width, height);
        client.must_be_refused(&[Refusal::new(&["xdg_positioner"], xdg_positioner::Error::InvalidInput)])?;
    }
    Ok("refused: xdg_positioner.invalid_input".to_owned())
}
