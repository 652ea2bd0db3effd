//! Groups of several columns and of all rows, stacked with each other and with the other arguments.

#![deny(warnings)]

use rest_live::{__private::GroupKey, Subscribable, auth::KeyValue, subscribable};
use sea_orm::{DatabaseConnection, DbErr, prelude::Uuid};
use serde::Serialize;

mod booking {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
    #[sea_orm(rs_type = "String", db_type = "Text")]
    pub enum State {
        #[sea_orm(string_value = "open")]
        Open,
        #[sea_orm(string_value = "shut")]
        Shut,
    }

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "booking")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub hall: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub seat: i32,
        #[sea_orm(enum_name = "Guest")]
        pub guest_id: Option<Uuid>,
        pub r#type: State,
        pub paid: bool,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
}

struct User;

async fn may_see_all(_: &User, (): (), _: &DatabaseConnection) -> bool {
    true
}

async fn may_see_hall(
    _: &User,
    (_hall, _paid): (String, bool),
    _: &DatabaseConnection,
) -> Result<bool, DbErr> {
    Ok(true)
}

async fn may_see_guest(
    _: &User,
    (_guest, _state, _hall): (Uuid, String, String),
    _: &DatabaseConnection,
) -> bool {
    true
}

async fn may_see_any(_: &User, _: KeyValue, _: &DatabaseConnection) -> bool {
    true
}

#[subscribable(all, entity = booking::Entity, authorize = may_see_all)]
#[subscribable(authorize = may_see_any)]
#[subscribable(group_key = ["hall", "paid"], authorize = may_see_hall)]
#[subscribable(
    group_key = ["guest_id", "type", "hall"],
    column = [booking::Column::Guest, Type, Hall],
    authorize = may_see_guest,
)]
#[subscribable(group_key = ["paid"], public)]
#[derive(Serialize)]
struct BookingSerializer {
    hall: String,
    seat: i32,
}

#[subscribable(all, authorize = may_see_any, rank = 1, entity = booking::Entity, hooks = false)]
#[derive(Serialize)]
struct SeatSerializer {
    seat: i32,
}

fn main() {
    let keys = |serializer: &'static [rest_live::__private::GroupDeclaration<booking::Column>]| {
        let names = |group: &'static rest_live::__private::GroupDeclaration<booking::Column>| {
            match &group.group_key {
                GroupKey::PrimaryKey { .. } => vec!["pk"],
                GroupKey::Columns(columns) => columns.iter().map(|column| column.name).collect(),
            }
        };
        serializer.iter().map(names).collect::<Vec<_>>()
    };
    assert_eq!(
        keys(BookingSerializer::DECLARATION.groups),
        [
            vec![],
            vec!["pk"],
            vec!["hall", "paid"],
            vec!["guest_id", "type", "hall"],
            vec!["paid"],
        ]
    );
    assert_eq!(keys(SeatSerializer::DECLARATION.groups), [Vec::<&str>::new()]);
    let GroupKey::Columns(columns) = &BookingSerializer::DECLARATION.groups[3].group_key else {
        unreachable!()
    };
    assert!(matches!(columns[0].column, booking::Column::Guest));
    let choices = columns.iter().map(|column| (column.choices)().map(|c| c.len()));
    assert_eq!(choices.collect::<Vec<_>>(), [None, Some(2), None]);
}
