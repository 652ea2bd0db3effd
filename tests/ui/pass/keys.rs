//! Composite keys, text keys, and a nullable group key.

use rest_live::{Subscribable, subscribable};
use serde::Serialize;

mod membership {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "membership")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub team: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub person: i64,
        pub invited_by: Option<i64>,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
}

mod country {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "country")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub code: String,
        pub name: String,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
}

#[subscribable(entity = membership::Entity)]
#[subscribable(group_key = "invited_by")]
#[subscribable(group_key = "team")]
#[derive(Serialize)]
struct MembershipSerializer {
    team: String,
    person: i64,
    invited_by: Option<i64>,
}

#[subscribable(entity = country::Entity, model = "atlas.Country")]
#[derive(Serialize)]
struct CountrySerializer {
    code: String,
    name: String,
}

fn main() {
    let membership = MembershipSerializer::from(&membership::Model {
        team: "red".to_owned(),
        person: 1,
        invited_by: None,
    });
    assert_eq!(
        (
            membership.team.as_str(),
            membership.person,
            membership.invited_by
        ),
        ("red", 1, None)
    );
    assert_eq!(MembershipSerializer::DECLARATION.groups.len(), 3);

    let country = CountrySerializer::from(&country::Model {
        code: "is".to_owned(),
        name: "Iceland".to_owned(),
    });
    assert_eq!((&*country.code, &*country.name), ("is", "Iceland"));
    assert_eq!(CountrySerializer::DECLARATION.model, Some("atlas.Country"));
}
