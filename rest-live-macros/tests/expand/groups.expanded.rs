#[derive(Clone, Serialize)]
pub struct TaskSerializer {
    pub id: i32,
}
#[automatically_derived]
impl ::core::convert::From<
    &<task::Entity as ::rest_live::__private::sea_orm::EntityTrait>::Model,
> for TaskSerializer {
    fn from(
        row: &<task::Entity as ::rest_live::__private::sea_orm::EntityTrait>::Model,
    ) -> Self {
        Self {
            id: ::core::convert::Into::into(::core::clone::Clone::clone(&row.id)),
        }
    }
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
        model: ::core::option::Option::None,
        rank: 0i32,
        check_permission: ::core::option::Option::None,
        filter: ::core::option::Option::None,
        secret: &[],
        groups: &[
            ::rest_live::__private::GroupDeclaration {
                group_key: ::rest_live::__private::GroupKey::Columns(&[]),
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
                        ::rest_live::__private::GroupColumn {
                            name: "done",
                            column: <task::Entity as ::rest_live::__private::sea_orm::EntityTrait>::Column::Done,
                            choices: || {
                                ::rest_live::__private::choices!(
                                    ::rest_live::__private::FieldType::of(| row : & <
                                    task::Entity as ::rest_live::__private::sea_orm::EntityTrait
                                    > ::Model | & row.done)
                                )
                            },
                        },
                    ],
                ),
                authorize: ::core::option::Option::Some(|| ::rest_live::__private::Authorization::of(
                    &may_see,
                    |user, value, db| ::std::boxed::Box::pin(may_see(user, value, db)),
                )),
                public: false,
            },
            ::rest_live::__private::GroupDeclaration {
                group_key: ::rest_live::__private::GroupKey::Columns(
                    &[
                        ::rest_live::__private::GroupColumn {
                            name: "Kind",
                            column: Column::TaskKind,
                            choices: || {
                                ::rest_live::__private::choices!(
                                    ::rest_live::__private::FieldType::of(| row : & <
                                    task::Entity as ::rest_live::__private::sea_orm::EntityTrait
                                    > ::Model | & row.Kind)
                                )
                            },
                        },
                    ],
                ),
                authorize: ::core::option::Option::None,
                public: false,
            },
        ],
    };
    const FIELDS: ::core::option::Option<
        &'static [::rest_live::__private::ShownField<
            <task::Entity as ::rest_live::__private::sea_orm::EntityTrait>::Model,
        >],
    > = ::core::option::Option::Some(
        &[
            ::rest_live::__private::ShownField {
                name: "id",
                heap_bytes: |row| ::rest_live::__private::heap_bytes(&row.id),
            },
        ],
    );
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
#[automatically_derived]
#[::rest_live::__private::async_trait]
impl ::rest_live::__private::sea_orm::ActiveModelBehavior
for <task::Entity as ::rest_live::__private::sea_orm::EntityTrait>::ActiveModel {
    async fn before_save<C>(
        self,
        db: &C,
        insert: bool,
    ) -> ::core::result::Result<Self, ::rest_live::__private::sea_orm::DbErr>
    where
        C: ::rest_live::__private::sea_orm::ConnectionTrait,
    {
        let active = self;
        ::rest_live::__private::hooks::before_save(&active, db, insert).await?;
        ::core::result::Result::Ok(active)
    }
    async fn after_save<C>(
        model: <<Self as ::rest_live::__private::sea_orm::ActiveModelTrait>::Entity as ::rest_live::__private::sea_orm::EntityTrait>::Model,
        db: &C,
        insert: bool,
    ) -> ::core::result::Result<
        <<Self as ::rest_live::__private::sea_orm::ActiveModelTrait>::Entity as ::rest_live::__private::sea_orm::EntityTrait>::Model,
        ::rest_live::__private::sea_orm::DbErr,
    >
    where
        C: ::rest_live::__private::sea_orm::ConnectionTrait,
    {
        ::rest_live::__private::hooks::after_save::<Self, C>(&model, db, insert).await;
        ::core::result::Result::Ok(model)
    }
    async fn before_delete<C>(
        self,
        db: &C,
    ) -> ::core::result::Result<Self, ::rest_live::__private::sea_orm::DbErr>
    where
        C: ::rest_live::__private::sea_orm::ConnectionTrait,
    {
        let active = self;
        ::rest_live::__private::hooks::before_delete(&active, db).await?;
        ::core::result::Result::Ok(active)
    }
    async fn after_delete<C>(
        self,
        db: &C,
    ) -> ::core::result::Result<Self, ::rest_live::__private::sea_orm::DbErr>
    where
        C: ::rest_live::__private::sea_orm::ConnectionTrait,
    {
        let active = self;
        ::rest_live::__private::hooks::after_delete(&active, db).await;
        ::core::result::Result::Ok(active)
    }
}
#[automatically_derived]
impl ::rest_live::__private::LiveModel
for <task::Entity as ::rest_live::__private::sea_orm::EntityTrait>::ActiveModel {}
