//! Is a client still there? Asked when it has left a configure event without an answer and gets the
//! next one; a timer runs only while an answer is outstanding.
//!
//! A client that does not answer is named in the log and left alone: it may be under a debugger.

use std::time::Duration;

use calloop::RegistrationToken;
use calloop::timer::{TimeoutAction, Timer};
use selkie_protocols::upstream::xdg::shell::server::xdg_wm_base::XdgWmBase;
use wayland_server::Resource;

use crate::dispatch::client_state;
use crate::server::Server;

/// Longer than this without an answer is worth a line in the log.
const PATIENCE: Duration = Duration::from_secs(10);

/// A ping that was not answered yet.
pub(crate) struct Ping {
    serial: u32,
    /// Until it has run out.
    timer: Option<RegistrationToken>,
}

impl Server {
    /// Asks the client whether it is there, unless it was asked already.
    pub(super) fn ping(&mut self, base: &XdgWmBase) {
        let id = base.id();
        // When a client goes, its windows become active one after the other, and its `xdg_wm_base` is gone before them: such
        // a ping would never be forgotten.
        if self.shell.pings.contains_key(&id) || !base.is_alive() {
            return;
        }
        let serial = self.next_id() as u32;
        let late = base.clone();
        let timer =
            self.handle.insert_source(Timer::from_duration(PATIENCE), move |_, (), server: &mut Server| {
                server.no_pong(&late);
                TimeoutAction::Drop
            });
        let timer = timer.inspect_err(|e| tracing::error!("cannot set a timer: {e}")).ok();
        self.shell.pings.insert(id, Ping { serial, timer });
        base.ping(serial);
    }

    /// The client is there.
    pub fn pong(&mut self, base: &XdgWmBase, serial: u32) {
        let id = base.id();
        if self.shell.pings.get(&id).is_none_or(|p| p.serial != serial) {
            return;
        }
        if let Some(Ping { timer: None, .. }) = self.forget_ping(base) {
            tracing::info!(program = program(base), "the client responds again");
        }
    }

    fn no_pong(&mut self, base: &XdgWmBase) {
        if let Some(ping) = self.shell.pings.get_mut(&base.id()) {
            ping.timer = None;
            tracing::warn!(program = program(base), "the client has not answered a ping for {PATIENCE:?}");
        }
    }

    /// No answer is expected any more.
    pub fn forget_ping(&mut self, base: &XdgWmBase) -> Option<Ping> {
        let ping = self.shell.pings.remove(&base.id())?;
        if let Some(timer) = ping.timer {
            self.handle.remove(timer);
        }
        Some(ping)
    }
}

fn program(base: &XdgWmBase) -> String {
    base.client().map(|c| client_state(&c).program.clone()).unwrap_or_default()
}
