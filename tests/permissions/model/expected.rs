//! The messages that a commit should cause, by the table in `docs/protocol.md`.

use serde_json::{Value, json};

use super::page::Page;
use crate::{clients::Dialect, entities::Values, writes::Change};

impl Page {
    /// Returns the messages that a change should cause. In v1 they have no `cursor` and no `unit`.
    pub fn expected(&self, change: &Change) -> Vec<Value> {
        let Change {
            table,
            id,
            old,
            new,
            ..
        } = change;
        let mut frames = Vec::new();
        let mut groups = Vec::new();
        for subscription in self.subscriptions.iter().filter(|s| s.table == *table) {
            let group = subscription.group;
            // In v1, two ids for one group receive one frame.
            if self.dialect == Dialect::V1 && groups.contains(&group) {
                continue;
            }
            groups.push(group);
            let visible = |row: &Option<Values>| {
                let row = row.as_ref().filter(|row| group.has(*id, row))?;
                table.payload_for(self.user, *id, row)
            };
            let (action, row) = match (visible(old), visible(new)) {
                (None, None) => continue,
                (None, Some(new)) => ("CREATED", new),
                (Some(_), Some(new)) => ("UPDATED", new),
                (Some(old), None) => ("DELETED", old),
            };
            let model = table.label();
            frames.push(match self.dialect {
                Dialect::Plain => json!({"model": model, "payload": row, "action": action}),
                Dialect::V1 => json!({
                    "type": "broadcast", "model": model, "group": group.keys(),
                    "action": action, "payload": row,
                }),
                Dialect::V0_7 => json!({
                    "type": "broadcast", "id": subscription.id, "model": model, "action": action,
                    "instance": if action == "DELETED" { json!({"pk": id, "id": id}) } else { row },
                }),
            });
        }
        frames
    }

    /// Asserts that these messages are those of one commit, in order, and that they are a unit if
    /// the commit changed more than one row.
    pub fn assert_commit(&self, changes: &[Change], frames: &mut impl Iterator<Item = Value>) {
        let mut units = Vec::new();
        for change in changes {
            let mut expected = self.expected(change);
            let frames = frames.take(expected.len());
            // The protocol does not define in which order the groups of one row receive a change.
            let mut received = Vec::new();
            for mut frame in frames {
                units.push(frame.as_object_mut().unwrap().remove("unit"));
                received.push(without_cursor(&frame));
            }
            received.sort_by_cached_key(Value::to_string);
            expected.sort_by_cached_key(Value::to_string);
            assert_eq!(
                received, expected,
                "frames of {change:?} for {:?}",
                self.user
            );
        }
        if self.dialect != Dialect::V1 || units.is_empty() {
            return;
        }
        units.dedup();
        assert_eq!(units.len(), 1, "units of {changes:?}");
        match changes {
            // A row that moves leaves a group and enters another one of the same key together.
            [change] if moves(change) => {}
            [_] => assert_eq!(units, [None], "{changes:?} stands alone"),
            _ => assert!(units[0].is_some(), "{changes:?} are one unit"),
        }
    }
}

/// Returns whether the row may have moved between two groups of one key.
fn moves(change: &Change) -> bool {
    let (Some(old), Some(new)) = (&change.old, &change.new) else {
        return false;
    };
    let groups = |row: &Values| (row.list_id, row.owner, row.level);
    groups(old) != groups(new)
}

pub fn without_cursor(frame: &Value) -> Value {
    let mut frame = frame.clone();
    let object = frame.as_object_mut().unwrap();
    let cursor = object.remove("cursor");
    let v1 = object.contains_key("group");
    assert_eq!(cursor.is_some_and(|c| c.is_string()), v1, "{frame}");
    frame
}
