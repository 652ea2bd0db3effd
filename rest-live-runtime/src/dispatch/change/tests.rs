//! What a filter makes of changes, moves, rereads and replays.

use sea_orm::EntityTrait;

use super::{conflated::ConflatedChange, *};
use crate::{
    data::{event::Event, key::KeyValue},
    model::{
        declaration::{Declaration, GroupColumn, GroupDeclaration, GroupKey, Subscribable},
        filter::Filter,
        permission::{Permission, UserType},
        registration::Registration,
        registry::Registry,
    },
};

mod item {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "item")]
    pub(crate) struct Model {
        #[sea_orm(primary_key)]
        pub(crate) id: i32,
        pub(crate) list_id: i32,
        pub(crate) listed: bool,
        pub(crate) priority: i32,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// The user of the tests: whether they may see rows of every priority.
type User = bool;

/// A priority about which the filter panics.
const PANICS: i32 = 13;

fn is_listed(item: &item::Model) -> bool {
    assert_ne!(item.priority, PANICS, "the test's filter panics");
    item.listed
}

fn is_urgent(item: &item::Model) -> bool {
    item.priority > 0
}

fn may_see(user: &User, item: &item::Model) -> bool {
    *user || item.priority == 0
}

macro_rules! serializer {
    ($name:ident, rank: $rank:expr, filter: $filter:expr, check_permission: $check:expr) => {
        #[derive(serde::Serialize)]
        struct $name {}

        impl Subscribable for $name {
            type Entity = item::Entity;

            const DECLARATION: Declaration<item::Column> = Declaration {
                serializer: stringify!($name),
                module: "a",
                model: Some("a.Item"),
                rank: $rank,
                check_permission: $check,
                filter: $filter,
                secret: &[],
                groups: &[GroupDeclaration {
                    group_key: GroupKey::Columns(&[GroupColumn {
                        name: "list_id",
                        column: item::Column::ListId,
                        choices: || None,
                    }]),
                    authorize: None,
                    public: false,
                }],
            };

            fn from_row(_: &<item::Entity as EntityTrait>::Model) -> Self {
                Self {}
            }
        }
    };
}

serializer!(Listed, rank: 0, filter: Some(|| Filter::of(is_listed)), check_permission: None);
serializer!(Urgent, rank: 1, filter: Some(|| Filter::of(is_urgent)), check_permission: None);
serializer!(Permitted, rank: 0, filter: Some(|| Filter::of(is_listed)), check_permission: Some(|| Permission::of(may_see)));

fn registry<const N: usize>(registrations: [Registration; N]) -> Registry {
    Registry::new(registrations, UserType::of::<User>()).expect("a registry")
}

fn listed() -> Registry {
    registry([Registration::of::<Listed>()])
}

fn row(list_id: i32, listed: bool, priority: i32) -> Row {
    Row::new(item::Model {
        id: 1,
        list_id,
        listed,
        priority,
    })
}

const HIDDEN: bool = false;
const SHOWN: bool = true;

fn updated(old: Vec<Row>, new: Row) -> Event {
    Event::reread("a.Item".into(), KeyValue::Integer(1), old, Some(new))
}

fn row_change(event: &Event) -> &RowChange {
    event.as_row().expect("the change of a row")
}

/// Returns what each list sees of an event: its id, and the variant of a user.
fn seen_by(registry: &Registry, event: &Event, user: User) -> Vec<(i32, Variant)> {
    let model = registry.model(0);
    let change = row_change(event);
    let changes = group_changes(model, None, change).expect("a known change");
    let user = Identity::new(user);
    let seen = changes.iter().filter_map(|change| {
        let variant = change.variant_for(&user, SerializerSet::ALL);
        if let Some(common) = change.common_variant() {
            assert_eq!(variant, Some(common));
        }
        let KeyValue::Integer(list) = change.group.value else {
            panic!("{:?}", change.group);
        };
        Some((list as i32, variant?))
    });
    seen.collect()
}

fn variant(serializer: usize, action: Action, version: RowVersion) -> Variant {
    Variant {
        serializer,
        action,
        version,
    }
}

#[test]
fn moves_combine_with_the_filter() {
    let created = variant(0, Action::Created, RowVersion::New);
    let changed = variant(0, Action::Updated, RowVersion::New);
    let deleted = variant(0, Action::Deleted, RowVersion::Old(0));
    let registry = listed();
    for (old, new, expected) in [
        ((1, SHOWN), (1, SHOWN), vec![(1, changed)]),
        ((1, SHOWN), (1, HIDDEN), vec![(1, deleted)]),
        ((1, HIDDEN), (1, SHOWN), vec![(1, created)]),
        ((1, HIDDEN), (1, HIDDEN), vec![]),
        ((1, SHOWN), (2, SHOWN), vec![(1, deleted), (2, created)]),
        ((1, SHOWN), (2, HIDDEN), vec![(1, deleted)]),
        ((1, HIDDEN), (2, SHOWN), vec![(2, created)]),
        ((1, HIDDEN), (2, HIDDEN), vec![]),
    ] {
        let event = updated(vec![row(old.0, old.1, 0)], row(new.0, new.1, 0));
        assert_eq!(
            seen_by(&registry, &event, true),
            expected,
            "{old:?} {new:?}"
        );
    }
}

#[test]
fn drafts_are_inserted_and_deleted_in_silence() {
    let registry = listed();
    let created = Event::created("a.Item".into(), KeyValue::Integer(1), row(1, HIDDEN, 0));
    let deleted = Event::deleted("a.Item".into(), KeyValue::Integer(1), row(1, HIDDEN, 0));
    for event in [created, deleted] {
        let change = row_change(&event);
        let groups = affected_groups(registry.model(0), None, change).expect("a known change");
        assert!(groups.is_empty());
    }
}

#[test]
fn row_that_was_hidden_in_one_old_state_appears() {
    let registry = listed();
    // Overlapping writes: a subscriber may hold the first state, or know that the row is hidden.
    let old = || vec![row(1, SHOWN, 0), row(1, HIDDEN, 0)];
    let seen = seen_by(&registry, &updated(old(), row(1, SHOWN, 0)), true);
    assert_eq!(seen, [(1, variant(0, Action::Created, RowVersion::New))]);
    let seen = seen_by(&registry, &updated(old(), row(1, HIDDEN, 0)), true);
    assert_eq!(seen, [(1, variant(0, Action::Deleted, RowVersion::Old(0)))]);
    let old = vec![row(1, HIDDEN, 0), row(2, SHOWN, 0), row(3, HIDDEN, 0)];
    let seen = seen_by(&registry, &updated(old, row(1, SHOWN, 0)), true);
    let left = variant(0, Action::Deleted, RowVersion::Old(1));
    let entered = variant(0, Action::Created, RowVersion::New);
    assert_eq!(seen, [(2, left), (1, entered)]);
}

#[test]
fn hidden_row_without_its_old_state_is_unknown() {
    let registry = listed();
    let event = updated(Vec::new(), row(1, HIDDEN, 0));
    let unknown = group_changes(registry.model(0), None, row_change(&event));
    assert!(matches!(unknown, Err(UnknownChange::OldRowMissing)));
    let event = updated(Vec::new(), row(1, SHOWN, 0));
    let seen = seen_by(&registry, &event, true);
    assert_eq!(seen, [(1, variant(0, Action::Created, RowVersion::New))]);
}

#[test]
fn panic_makes_the_change_unknown() {
    let registry = listed();
    for event in [
        updated(vec![row(1, SHOWN, PANICS)], row(1, SHOWN, 0)),
        updated(vec![row(1, SHOWN, 0)], row(1, SHOWN, PANICS)),
    ] {
        let unknown = group_changes(registry.model(0), None, row_change(&event));
        let Err(error @ UnknownChange::FilterPanic(_)) = unknown else {
            panic!("the change is known");
        };
        assert!(error.to_string().contains("a::Listed"), "{error}");
    }
}

#[test]
fn each_rank_has_its_own_filter() {
    let registry = registry([Registration::of::<Listed>(), Registration::of::<Urgent>()]);
    let urgent = |action, version| (1, variant(0, action, version));
    let listed = |action, version| (1, variant(1, action, version));
    for (old, new, expected) in [
        (
            (SHOWN, 0),
            (SHOWN, 1),
            vec![urgent(Action::Updated, RowVersion::New)],
        ),
        (
            (HIDDEN, 0),
            (HIDDEN, 1),
            vec![urgent(Action::Created, RowVersion::New)],
        ),
        (
            (HIDDEN, 1),
            (SHOWN, 0),
            vec![listed(Action::Updated, RowVersion::New)],
        ),
        (
            (SHOWN, 1),
            (HIDDEN, 0),
            vec![urgent(Action::Deleted, RowVersion::Old(0))],
        ),
        (
            (SHOWN, 0),
            (HIDDEN, 0),
            vec![listed(Action::Deleted, RowVersion::Old(0))],
        ),
        ((HIDDEN, 0), (HIDDEN, 0), vec![]),
    ] {
        let event = updated(vec![row(1, old.0, old.1)], row(1, new.0, new.1));
        assert_eq!(
            seen_by(&registry, &event, true),
            expected,
            "{old:?} {new:?}"
        );
    }
    // A subscription that was granted only the lower rank.
    let event = updated(vec![row(1, SHOWN, 0)], row(1, HIDDEN, 1));
    let changes =
        group_changes(registry.model(0), None, row_change(&event)).expect("a known change");
    let seen = changes[0].variant_for(&Identity::new(true), SerializerSet::NONE.with(1));
    assert_eq!(seen, Some(variant(1, Action::Deleted, RowVersion::Old(0))));
}

#[test]
fn row_must_pass_filter_and_permission() {
    let registry = registry([Registration::of::<Permitted>()]);
    for (old, new, expected) in [
        (
            (SHOWN, 0),
            (SHOWN, 1),
            Some((Action::Deleted, RowVersion::Old(0))),
        ),
        (
            (SHOWN, 0),
            (HIDDEN, 0),
            Some((Action::Deleted, RowVersion::Old(0))),
        ),
        ((SHOWN, 1), (HIDDEN, 0), None),
        ((HIDDEN, 0), (SHOWN, 1), None),
        (
            (HIDDEN, 0),
            (SHOWN, 0),
            Some((Action::Created, RowVersion::New)),
        ),
        (
            (SHOWN, 1),
            (SHOWN, 0),
            Some((Action::Created, RowVersion::New)),
        ),
        (
            (SHOWN, 0),
            (SHOWN, 0),
            Some((Action::Updated, RowVersion::New)),
        ),
    ] {
        let event = updated(vec![row(1, old.0, old.1)], row(1, new.0, new.1));
        let expected: Vec<_> = expected
            .map(|(action, version)| (1, variant(0, action, version)))
            .into_iter()
            .collect();
        assert_eq!(
            seen_by(&registry, &event, false),
            expected,
            "{old:?} {new:?}"
        );
    }
}

/// A replay leaves a client with the row that the single messages leave it with.
#[test]
fn replay_ends_like_the_single_messages() {
    let states = [
        None,
        Some((1, SHOWN)),
        Some((1, HIDDEN)),
        Some((2, SHOWN)),
        Some((2, HIDDEN)),
    ];
    for registrations in [
        vec![Registration::of::<Listed>()],
        vec![Registration::of::<Listed>(), Registration::of::<Urgent>()],
    ] {
        let registry = Registry::new(registrations, UserType::of::<User>()).expect("a registry");
        for path in 0..states.len().pow(4) {
            let path: Vec<_> = (0..4)
                .map(|step| states[path / states.len().pow(step) % states.len()])
                .collect();
            check_path(&registry, &path);
        }
    }
}

fn check_path(registry: &Registry, path: &[Option<(i32, bool)>]) {
    let user = Identity::new(true);
    let (model, entry) = (registry.model(0), &registry.model(0).groups[0]);
    let group = entry.group_id(KeyValue::Integer(1), None);
    let rows: Vec<_> = path
        .iter()
        .map(|state| state.map(|(list, listed)| row(list, listed, 0)))
        .collect();
    let is_held = |state: &Option<(i32, bool)>| *state == Some((1, SHOWN));
    let mut holds = is_held(&path[0]);
    let mut missed = Vec::new();
    for step in rows.windows(2) {
        let (label, key) = ("a.Item".into(), KeyValue::Integer(1));
        let event = match (&step[0], &step[1]) {
            (None, None) => continue,
            (None, Some(new)) => Event::created(label, key, new.clone()),
            (Some(old), None) => Event::deleted(label, key, old.clone()),
            (Some(old), Some(new)) => Event::updated(label, key, Some(old.clone()), new.clone()),
        };
        let changes = group_changes(model, None, row_change(&event)).expect("a known change");
        let Some(change) = changes.iter().find(|change| change.group == group) else {
            continue;
        };
        if let Some(variant) = change.variant_for(&user, SerializerSet::ALL) {
            assert_eq!(holds, variant.action != Action::Created, "{path:?}");
            holds = variant.action != Action::Deleted;
        }
        missed.push(event.clone());
    }
    assert_eq!(holds, is_held(&path[path.len() - 1]), "{path:?}");
    let missed: Vec<_> = missed.iter().filter_map(Event::as_row).collect();
    let conflated = ConflatedChange::new(entry, &group, &missed).expect("known changes");
    let mut replayed = is_held(&path[0]);
    if let Some(conflated) = conflated {
        let change = conflated.as_change(entry, &group);
        let variant = conflated.variant_for(&change, &user, SerializerSet::ALL);
        if let Some(variant) = variant {
            let is_created = variant.action == Action::Created;
            assert!(!(is_created && replayed), "{path:?}");
            replayed = variant.action != Action::Deleted;
        }
    }
    assert_eq!(replayed, holds, "{path:?}");
}

#[test]
fn filter_that_changes_its_mind_is_unknown() {
    let registry = listed();
    let entry = &registry.model(0).groups[0];
    let event = updated(vec![row(1, HIDDEN, 0)], row(1, HIDDEN, 0));
    // The history has it as an event of this group, because the filter let the row pass then.
    let group = entry.group_id(KeyValue::Integer(1), None);
    let unknown = ConflatedChange::new(entry, &group, &[row_change(&event)]);
    assert!(matches!(unknown, Err(UnknownChange::Inconsistent)));
}
