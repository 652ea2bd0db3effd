#[live]
impl ActiveModelBehavior for ActiveModel {
    fn new() -> Self {
        Self::untitled()
    }

    async fn before_save<C>(mut self, _: &C, insert: bool) -> Result<Self, DbErr>
    where
        C: ConnectionTrait,
    {
        if insert {
            self.created = Set(now()?);
        }
        Ok(self)
    }

    #[cfg(feature = "mail")]
    async fn after_save<C>(model: Model, _db: &C, _insert: bool) -> Result<Model, DbErr>
    where
        C: ConnectionTrait,
    {
        mail(&model)?;
        Ok(model)
    }
}
