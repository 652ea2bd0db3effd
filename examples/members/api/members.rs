//! `/api/lists/ID/members`, and `/api/memberships`: who is in which list.

use rest_live::LiveConnection;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, ModelTrait, PaginatorTrait,
    QueryFilter, QueryOrder,
};
use warp::{Filter, filters::BoxedFilter, reply::Response};

use super::{
    ApiError, ApiResult, App, Change, Request, answer, begin, change, check_name, lists,
    no_content, ok, request, whole,
};
use crate::{membership, serializers::MembershipSerializer};

pub fn routes(app: &App) -> BoxedFilter<(Response,)> {
    let of_list = warp::path!("api" / "lists" / i32 / "members");
    let one = warp::path!("api" / "lists" / i32 / "members" / String);
    let own = warp::path!("api" / "memberships");
    let get_all = of_list
        .and(warp::get())
        .and(request(app))
        .then(index)
        .map(answer);
    let get_own = own
        .and(warp::get())
        .and(request(app))
        .then(of_viewer)
        .map(answer);
    let post = one
        .and(warp::post())
        .and(change(app))
        .then(|id, name, change| whole(admit(id, name, change)));
    let delete = one
        .and(warp::delete())
        .and(change(app))
        .then(|id, name, change| whole(remove(id, name, change)));
    get_all
        .or(get_own)
        .unify()
        .or(post)
        .unify()
        .or(delete)
        .unify()
        .boxed()
}

async fn index(list: i32, request: Request) -> ApiResult {
    lists::require_member(&request.viewer, list)?;
    let members = membership::Entity::find()
        .filter(membership::Column::ListId.eq(list))
        .order_by_asc(membership::Column::Name);
    show(&members.all(&request.db).await?)
}

async fn of_viewer(request: Request) -> ApiResult {
    let name = request.viewer.name().ok_or_else(ApiError::anonymous)?;
    let memberships = membership::Entity::find()
        .filter(membership::Column::Name.eq(name))
        .order_by_asc(membership::Column::ListId);
    show(&memberships.all(&request.db).await?)
}

fn show(memberships: &[membership::Model]) -> ApiResult {
    let memberships = memberships.iter().map(MembershipSerializer::from);
    ok(&memberships.collect::<Vec<_>>())
}

async fn admit(list: i32, name: String, change: Change) -> ApiResult {
    check_name(&name)?;
    lists::require_member(&change.viewer, list)?;
    let transaction = begin(&change.db).await?;
    lists::hold(list, &transaction).await?;
    let key = (list, name.clone());
    let present = membership::Entity::find_by_id(key).one(&transaction);
    if present.await?.is_some() {
        return no_content();
    }
    let membership = membership::ActiveModel {
        list_id: Set(list),
        name: Set(name.clone()),
    };
    membership.insert(&transaction).await?;
    transaction.commit().await?;
    change.changing.admit(list, &name);
    no_content()
}

/// Removes a member, who may be connected: when this is answered, nothing of the list reaches them any
/// more, by whatever they are subscribed to.
async fn remove(list: i32, name: String, change: Change) -> ApiResult {
    lists::require_member(&change.viewer, list)?;
    let membership = find(list, &name, &change.db).await?;
    let of_list = membership::Entity::find().filter(membership::Column::ListId.eq(list));
    if of_list.count(&change.db).await? == 1 {
        return Err(ApiError::conflict(format!(
            "{name} is the last member: delete the list instead"
        )));
    }
    let transaction = begin(&change.db).await?;
    membership.delete(&transaction).await?;
    transaction.commit().await?;
    let Change { app, changing, .. } = change;
    changing.dismiss(list, &name); // from here on every `check_permission` says no
    drop(changing);
    app.live
        .reauthorize(|viewer| viewer.name() == Some(&name))
        .await;
    no_content()
}

async fn find(list: i32, name: &str, db: &LiveConnection) -> Result<membership::Model, ApiError> {
    let membership = membership::Entity::find_by_id((list, name.to_owned()));
    let membership = membership.one(db).await?;
    membership.ok_or_else(|| ApiError::missing(format!("member {name} of list {list}")))
}
