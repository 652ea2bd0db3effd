//! What subscribers receive of each kind of write, and what it costs.

use crate::support::Engine;

/// A line of the table.
pub struct Case {
    pub name: &'static str,
    delivery: Delivery,
    /// Statements beyond SeaORM's own on SQLite, PostgreSQL and MariaDB; all statements of a
    /// `live_*` write.
    extra_statements: [usize; 3],
}

#[derive(Clone, Copy)]
pub enum Delivery {
    Nothing,
    /// These frames.
    Exactly(&'static [&'static str]),
    /// These frames if the database returns rows; otherwise a reset of the model.
    Returned(&'static [&'static str], &'static str),
    /// These frames if the database returns rows; otherwise SeaORM refuses the write.
    OnlyReturned(&'static [&'static str]),
    /// A reset of the model.
    Reset(&'static str),
}

impl Case {
    pub fn frames(&self, engine: Engine) -> Vec<String> {
        match (self.delivery, engine) {
            (Delivery::Returned(_, model), Engine::MariaDb) => Delivery::Reset(model).frames(),
            (Delivery::OnlyReturned(_), Engine::MariaDb) => Delivery::Nothing.frames(),
            (delivery, _) => delivery.frames(),
        }
    }

    pub fn extra_statements(&self, engine: Engine) -> usize {
        let index = Engine::ALL.iter().position(|e| *e == engine).unwrap();
        self.extra_statements[index]
    }
}

impl Delivery {
    pub fn frames(self) -> Vec<String> {
        let mut frames: Vec<String> = match self {
            Self::Nothing => Vec::new(),
            Self::Exactly(frames) | Self::Returned(frames, _) | Self::OnlyReturned(frames) => {
                frames.iter().map(ToString::to_string).collect()
            }
            Self::Reset(model) => vec![format!("reset {model}")],
        };
        frames.sort();
        frames
    }
}

const fn case(name: &'static str, delivery: Delivery, extra_statements: [usize; 3]) -> Case {
    Case {
        name,
        delivery,
        extra_statements,
    }
}

const TASK: &str = "todolist.Task";
const PARCEL: &str = "it.Parcel";
const NONE: [usize; 3] = [0, 0, 0];
/// The old row is read first.
const OLD: [usize; 3] = [1, 1, 1];
/// The old rows are read first if the statement returns the new ones. SQLite is made a writer.
const OLD_IF_RETURNED: [usize; 3] = [2, 1, 0];
/// The old row is read first if the statement does not return it.
const OLD_IF_NOT_RETURNED: [usize; 3] = [0, 0, 1];

const CREATED: Delivery = Delivery::Exactly(&["list 1 CREATED four", "task 4 CREATED four"]);
const CREATED_IF_RETURNED: Delivery =
    Delivery::Returned(&["list 1 CREATED four", "task 4 CREATED four"], TASK);
const TWO_CREATED: &[&str] = &[
    "list 1 CREATED four",
    "task 4 CREATED four",
    "list 2 CREATED five",
];
const UPDATED: Delivery = Delivery::Exactly(&["list 1 UPDATED one!", "task 1 UPDATED one!"]);
const UPDATED_IF_RETURNED: Delivery =
    Delivery::Returned(&["list 1 UPDATED one!", "task 1 UPDATED one!"], TASK);
const TWO_UPDATED: &[&str] = &["list 1 UPDATED !", "task 1 UPDATED !", "list 1 UPDATED !"];
const ONE_MOVED: &[&str] = &[
    "list 1 DELETED one",
    "list 2 CREATED one",
    "task 1 UPDATED one",
];
const MOVED: Delivery = Delivery::Exactly(ONE_MOVED);
const TWO_MOVED: &[&str] = &[
    "list 1 DELETED one",
    "list 1 DELETED two",
    "list 2 CREATED one",
    "list 2 CREATED two",
    "task 1 UPDATED one",
];
const DELETED: Delivery = Delivery::Exactly(&["list 1 DELETED one", "task 1 DELETED one"]);
const TWO_DELETED: &[&str] = &[
    "list 1 DELETED one",
    "task 1 DELETED one",
    "list 1 DELETED two",
];

#[rustfmt::skip]
pub const WRITES: &[Case] = &[
    case("insert", CREATED, NONE),
    case("insert in no list of ours", Delivery::Exactly(&["task 4 CREATED four"]), NONE),
    case("save a new one", Delivery::Exactly(&["list 1 CREATED saved"]), NONE),
    case("save a changed one", UPDATED, NONE),
    case("update", UPDATED, NONE),
    case("update of nothing", Delivery::Nothing, NONE),
    case("update of no row", Delivery::Nothing, NONE),
    case("update to another list", MOVED, OLD),
    case("update to the same list", UPDATED, OLD),
    case("update_without_returning", UPDATED, [0, 0, 1]),
    case("update_without_returning to another list", MOVED, [1, 1, 2]),
    case("update_without_returning of no row", Delivery::Nothing, NONE),
    case("delete a model", DELETED, OLD_IF_NOT_RETURNED),
    case("delete a model that has moved since", DELETED, OLD_IF_NOT_RETURNED),
    case("delete by its key", DELETED, OLD_IF_NOT_RETURNED),
    case("delete of no row", Delivery::Nothing, OLD_IF_NOT_RETURNED),

    case("Entity::insert exec", CREATED_IF_RETURNED, NONE),
    case("Entity::insert exec_with_returning", CREATED_IF_RETURNED, NONE),
    case("Entity::insert exec_without_returning", CREATED_IF_RETURNED, NONE),
    case("insert_many exec", Delivery::Returned(TWO_CREATED, TASK), NONE),
    case("insert_many exec_with_returning", Delivery::OnlyReturned(TWO_CREATED), NONE),
    case("insert_many exec_with_returning_keys", Delivery::OnlyReturned(TWO_CREATED), NONE),
    case("insert_many exec_without_returning", Delivery::Returned(TWO_CREATED, TASK), NONE),
    case("Entity::insert that conflicts", Delivery::Nothing, NONE),
    case("Entity::update exec", UPDATED_IF_RETURNED, NONE),
    case("Entity::update exec_without_returning", UPDATED_IF_RETURNED, NONE),
    case("Entity::update to another list", Delivery::Returned(ONE_MOVED, TASK), OLD_IF_RETURNED),
    case("update_many exec", Delivery::Returned(TWO_UPDATED, TASK), NONE),
    case("update_many exec_with_returning", Delivery::OnlyReturned(TWO_UPDATED), NONE),
    case("update_many of no row", Delivery::Nothing, NONE),
    case("update_many to another list", Delivery::Returned(TWO_MOVED, TASK), OLD_IF_RETURNED),
    case("update_many with returning to another list", Delivery::OnlyReturned(TWO_MOVED), OLD_IF_RETURNED),
    case("update_many of no row to another list", Delivery::Nothing, OLD_IF_RETURNED),
    case("update_many of a subquery to another list", Delivery::Reset(TASK), NONE),
    case("update_many to another key", Delivery::Reset(TASK), NONE),
    case("Entity::delete exec", DELETED, NONE),
    case("delete_by_id exec", DELETED, NONE),
    case("delete_by_id exec_with_returning", Delivery::OnlyReturned(&["list 1 DELETED one", "task 1 DELETED one"]), NONE),
    case("delete_by_id of no row", Delivery::Nothing, NONE),
    case("delete_many exec", Delivery::Exactly(TWO_DELETED), NONE),
    case("delete_many exec_with_returning", Delivery::OnlyReturned(TWO_DELETED), NONE),

    case("upsert that inserts", Delivery::Reset(TASK), NONE),
    case("upsert that updates", Delivery::Reset(TASK), NONE),
    case("insert or do nothing, of a new one", CREATED_IF_RETURNED, NONE),
    case("raw update", Delivery::Reset(TASK), NONE),
    case("raw update with values", Delivery::Reset(TASK), NONE),
    case("raw statements of two tables", Delivery::Reset(TASK), NONE),
    case("raw update of another table", Delivery::Nothing, NONE),
    case("raw select", Delivery::Nothing, NONE),

    case("parcel: insert of a hidden one", Delivery::Nothing, NONE),
    case("parcel: update", Delivery::Exactly(&["shelf 1 UPDATED one!", "parcel 1 UPDATED one!"]), OLD),
    case("parcel: update that hides", Delivery::Exactly(&["shelf 1 DELETED one", "parcel 1 DELETED one"]), OLD),
    case("parcel: update that shows", Delivery::Exactly(&["shelf 1 CREATED hidden"]), OLD),
    case("parcel: update_without_returning", Delivery::Exactly(&["shelf 1 UPDATED one!", "parcel 1 UPDATED one!"]), [1, 1, 2]),
    case("parcel: delete", Delivery::Exactly(&["shelf 1 DELETED one", "parcel 1 DELETED one"]), OLD_IF_NOT_RETURNED),
    case("parcel: insert_many", Delivery::Returned(&["shelf 2 CREATED five"], PARCEL), NONE),
    case("parcel: update_many", Delivery::Returned(&["shelf 1 UPDATED !", "parcel 1 UPDATED !", "shelf 1 UPDATED !"], PARCEL), OLD_IF_RETURNED),
    case("parcel: update_many that hides", Delivery::Returned(&["shelf 1 DELETED one", "parcel 1 DELETED one", "shelf 1 DELETED two"], PARCEL), OLD_IF_RETURNED),
    case("parcel: update_many that shows", Delivery::Returned(&["shelf 1 CREATED hidden", "shelf 1 UPDATED one", "parcel 1 UPDATED one", "shelf 1 UPDATED two"], PARCEL), OLD_IF_RETURNED),
    case("parcel: delete_many", Delivery::Exactly(&["shelf 1 DELETED one", "parcel 1 DELETED one", "shelf 1 DELETED two"]), NONE),
];

/// The `live_*` bulk writes.
#[rustfmt::skip]
pub const LIVE: &[Case] = &[
    case("live_insert_many", Delivery::Exactly(TWO_CREATED), [1, 1, 4]),
    case("live_update_many", Delivery::Exactly(TWO_UPDATED), [3, 2, 3]),
    case("live_update_many with returning", Delivery::Exactly(TWO_UPDATED), [3, 2, 3]),
    case("live_update_many to another list", Delivery::Exactly(TWO_MOVED), [3, 2, 3]),
    case("live_update_many of no row", Delivery::Nothing, [2, 1, 1]),
    case("live_delete_many", Delivery::Exactly(TWO_DELETED), [1, 1, 2]),
    case("live_delete_many with returning", Delivery::Exactly(TWO_DELETED), [1, 1, 2]),
    case("parcel: live_update_many that hides", Delivery::Exactly(&["shelf 1 DELETED one", "parcel 1 DELETED one", "shelf 1 DELETED two"]), [3, 2, 3]),
    case("parcel: live_update_many that shows", Delivery::Exactly(&["shelf 2 CREATED hidden", "shelf 1 DELETED one", "shelf 2 CREATED one", "parcel 1 UPDATED one", "shelf 1 DELETED two", "shelf 2 CREATED two"]), [3, 2, 3]),
    case("parcel: live_delete_many", Delivery::Exactly(&["shelf 1 DELETED one", "parcel 1 DELETED one", "shelf 1 DELETED two"]), [1, 1, 2]),
    case("parcel: live_insert_many", Delivery::Exactly(&["shelf 2 CREATED five"]), [1, 1, 4]),
];
