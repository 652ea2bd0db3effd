//! The word that the log cannot be reached: clients of v1 hear of it, once a connection.

use crate::{
    hub::shard::State,
    protocol::{dialect::Dialect, v1},
};

impl State {
    /// Takes note that what happens is not known, from now on or no more. Who is subscribed is told.
    pub(crate) fn set_stale(&mut self, is_stale: bool) {
        self.is_stale = is_stale;
        let places: Vec<_> = self.peers.iter().map(|(place, _)| place).collect();
        for place in places {
            self.tell_stale(place);
        }
    }

    /// Tells a client how things stand, if it does not know.
    pub(crate) fn tell_stale(&mut self, place: usize) {
        let is_stale = self.is_stale;
        let peer = &mut self.peers[place];
        let listens = peer.dialect == Some(Dialect::V1) && !peer.subscriptions.is_empty();
        // Who has unsubscribed meanwhile hears that it is over, too.
        if peer.is_stale != is_stale && (listens || peer.is_stale) {
            peer.is_stale = is_stale;
            let id = self.id_of(place);
            self.answer(id, v1::stale(is_stale));
        }
    }
}
