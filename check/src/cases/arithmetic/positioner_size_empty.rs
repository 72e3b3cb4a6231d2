//! A menu has a size.

use selkie_protocols::upstream::xdg::shell::client::xdg_positioner;
use selkie_protocols::upstream::xdg::shell::client::xdg_wm_base::XdgWmBase;

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "arithmetic.positioner-size-empty",
    does: "Gives a positioner sizes that are empty or negative, each over a connection of its own.",
    must: "The client is ended with xdg_positioner.invalid_input.",
    reference: "xdg-shell.xml, xdg_positioner.set_size",
    matters: "Menus are placed by this size.",
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    for (width, height) in [(0, 8), (8, 0), (-8, -8), (i32::MIN, i32::MIN)] {
        let mut client = session.connect()?;
        let wm: XdgWmBase = client.bind(6)?;
        let positioner = client.note(wm.create_positioner(&client.qh(), ()));
        positioner.set_size(width, height);
        client.must_be_refused(&[Refusal::new(&["xdg_positioner"], xdg_positioner::Error::InvalidInput)])?;
    }
    Ok("refused: xdg_positioner.invalid_input".to_owned())
}
