//! What the subscribers of a group are told of one change: for each variant and dialect that somebody needs, a frame.

use std::sync::Arc;

use super::{
    change::{Change, Variant},
    encoder::Encoder,
};
use crate::{
    data::event::Action,
    hub::shard::{Audience, Pick, To, Told},
    protocol::dialect::Dialect,
};

pub(crate) struct Telling<'t, 'e> {
    encoder: &'t mut Encoder<'e>,
    change: &'t Change<'e>,
    told: Vec<Told>,
    picks: Vec<(Variant, Dialect, Option<Pick>)>,
}

impl<'t, 'e> Telling<'t, 'e> {
    pub(crate) fn new(encoder: &'t mut Encoder<'e>, change: &'t Change<'e>) -> Self {
        encoder.begin();
        Self {
            encoder,
            change,
            told: Vec::new(),
            picks: Vec::new(),
        }
    }

    /// Returns who of an audience is told what; `None` if it is nobody.
    pub(crate) fn to(&mut self, audience: Audience) -> Option<To> {
        match audience {
            Audience::Nobody => None,
            Audience::All(spoken) => {
                let variant = self.change.seen_by_all()?;
                let by_dialect = Dialect::ALL.map(|dialect| {
                    let is_spoken = spoken[dialect as usize];
                    is_spoken.then(|| self.pick(variant, dialect)).flatten()
                });
                let is_told = by_dialect.iter().any(Option::is_some);
                is_told.then_some(To::All(by_dialect))
            }
            Audience::Each(candidates) => {
                let seen = candidates.iter().filter_map(|candidate| {
                    let variant = self.change.seen_by(&candidate.user, candidate.granted)?;
                    Some(candidate.sees(self.pick(variant, candidate.dialect)?))
                });
                let seen: Vec<_> = seen.collect();
                (!seen.is_empty()).then_some(To::Each(seen))
            }
        }
    }

    pub(crate) fn told(self) -> Arc<[Told]> {
        self.told.into()
    }

    fn pick(&mut self, variant: Variant, dialect: Dialect) -> Option<Pick> {
        let mut known = self.picks.iter();
        if let Some((.., pick)) = known.find(|(v, d, _)| (*v, *d) == (variant, dialect)) {
            return *pick;
        }
        let frame = self.encoder.frame(self.change, variant, dialect);
        let pick = frame.map(|frame| {
            self.told.push(Told {
                frame,
                removes: variant.action == Action::Deleted,
            });
            (self.told.len() - 1) as Pick
        });
        self.picks.push((variant, dialect, pick));
        pick
    }
}
