#[derive(Serialize)]
pub struct TaskSerializer {
    pub id: i32,
}
#[automatically_derived]
impl ::rest_live::Subscribable for TaskSerializer {
    type Entity = task::Entity;
    const PACKAGE: ::core::option::Option<&'static str> = match ::core::option_env!(
        "CARGO_BIN_NAME"
    ) {
        ::core::option::Option::Some(_) => ::core::option_env!("CARGO_PKG_NAME"),
        ::core::option::Option::None => ::core::option::Option::None,
    };
    const DECLARATION: ::rest_live::__private::Declaration<
        <task::Entity as ::rest_live::__private::sea_orm::EntityTrait>::Column,
    > = ::rest_live::__private::Declaration {
        serializer: "TaskSerializer",
        module: ::core::module_path!(),
        model: ::core::option::Option::Some("todolist.Task"),
        rank: -1i32,
        check_permission: ::core::option::Option::Some(|| ::rest_live::__private::Permission::of::<
            <task::Entity as ::rest_live::__private::sea_orm::EntityTrait>::Model,
            _,
        >(permissions::may_see)),
        filter: ::core::option::Option::Some(|| ::rest_live::__private::Filter::of::<
            <task::Entity as ::rest_live::__private::sea_orm::EntityTrait>::Model,
        >(is_listed)),
        secret: &[],
        groups: &[
            ::rest_live::__private::GroupDeclaration {
                group_key: ::rest_live::__private::GroupKey::PrimaryKey {
                    choices: || {
                        ::rest_live::__private::choices!(
                            ::rest_live::__private::FieldType:: < < < task::Entity as
                            ::rest_live::__private::sea_orm::EntityTrait > ::PrimaryKey
                            as ::rest_live::__private::sea_orm::PrimaryKeyTrait >
                            ::ValueType > ::new()
                        )
                    },
                },
                authorize: ::core::option::Option::None,
                public: true,
            },
            ::rest_live::__private::GroupDeclaration {
                group_key: ::rest_live::__private::GroupKey::Columns(
                    &[
                        ::rest_live::__private::GroupColumn {
                            name: "list_id",
                            column: <task::Entity as ::rest_live::__private::sea_orm::EntityTrait>::Column::ListId,
                            choices: || {
                                ::rest_live::__private::choices!(
                                    ::rest_live::__private::FieldType::of(| row : & <
                                    task::Entity as ::rest_live::__private::sea_orm::EntityTrait
                                    > ::Model | & row.list_id)
                                )
                            },
                        },
                    ],
                ),
                authorize: ::core::option::Option::Some(|| ::rest_live::__private::Authorization::of(
                    &permissions::may_see_list,
                    |user, value, db| ::std::boxed::Box::pin(
                        permissions::may_see_list(user, value, db),
                    ),
                )),
                public: false,
            },
        ],
    };
    fn from_row(
        row: &<task::Entity as ::rest_live::__private::sea_orm::EntityTrait>::Model,
    ) -> Self {
        <Self as ::core::convert::From<
            &<task::Entity as ::rest_live::__private::sea_orm::EntityTrait>::Model,
        >>::from(row)
    }
}
::rest_live::__private::inventory::submit! {
    ::rest_live::__private::Registration::of:: < TaskSerializer > ()
}
const _: () = ::rest_live::__private::assert_live::<task::Entity>();
