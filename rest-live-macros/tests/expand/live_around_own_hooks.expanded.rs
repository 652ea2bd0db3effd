#[::rest_live::__private::async_trait]
impl ActiveModelBehavior for ActiveModel {
    fn new() -> Self {
        Self::untitled()
    }
    async fn before_save<C>(
        self,
        db: &C,
        insert: bool,
    ) -> ::core::result::Result<Self, ::rest_live::__private::sea_orm::DbErr>
    where
        C: ::rest_live::__private::sea_orm::ConnectionTrait,
    {
        let active = self;
        let active = active.__live_before_save(db, insert).await?;
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
        #[cfg(feature = "mail")]
        let model = Self::__live_after_save(model, db, insert).await?;
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
#[doc(hidden)]
impl ActiveModel {
    async fn __live_before_save<C>(mut self, _: &C, insert: bool) -> Result<Self, DbErr>
    where
        C: ConnectionTrait,
    {
        if insert {
            self.created = Set(now()?);
        }
        Ok(self)
    }
    #[cfg(feature = "mail")]
    async fn __live_after_save<C>(
        model: Model,
        _db: &C,
        _insert: bool,
    ) -> Result<Model, DbErr>
    where
        C: ConnectionTrait,
    {
        mail(&model)?;
        Ok(model)
    }
}
#[automatically_derived]
impl ::rest_live::__private::LiveModel for ActiveModel {}
