//! Which frame of a change each subscriber of a group receives.

use super::{change::Change, encoder::Encoder};
use crate::{
    hub::groups::audience::{Audience, Delivery},
    protocol::dialect::Dialect,
};

/// Asks permissions, and encodes a change for an audience; `None` if there is nothing to send.
pub(crate) fn delivery<'e>(
    encoder: &mut Encoder<'e>,
    change: &Change<'e>,
    audience: &Audience,
) -> Option<Delivery> {
    match audience {
        Audience::Empty => None,
        Audience::All(spoken) => {
            let variant = change.common_variant()?;
            let by_dialect = Dialect::ALL.map(|dialect| {
                let is_spoken = spoken[dialect as usize];
                let frame = is_spoken.then(|| encoder.frame_index(change, variant, dialect));
                frame.flatten()
            });
            let has_any = by_dialect.iter().any(Option::is_some);
            has_any.then_some(Delivery::All(by_dialect))
        }
        Audience::Each(viewers) => {
            let recipients = viewers.iter().filter_map(|viewer| {
                let variant = change.variant_for(&viewer.user, viewer.granted)?;
                let frame = encoder.frame_index(change, variant, viewer.dialect)?;
                Some(viewer.receives(frame))
            });
            let recipients: Vec<_> = recipients.collect();
            (!recipients.is_empty()).then_some(Delivery::Each(recipients))
        }
    }
}
