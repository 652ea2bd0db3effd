//! The generated hooks of a model: the methods of SeaORM's `ActiveModelBehavior`.
//!
//! Each method calls rest-live's hook next to the statement and the user's hook around it. Before
//! a write, the user's hook runs first, so that rest-live sees the values that will be written.
//! After a write, rest-live's hook runs first, so that the change is sent even if the user's hook
//! fails.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};
use syn::{Attribute, ImplItemFn, Path};

/// The methods of `ActiveModelBehavior` that are hooks.
const HOOKS: [&str; 4] = ["before_save", "after_save", "before_delete", "after_delete"];

/// Returns whether a method is a hook.
pub(crate) fn is_hook(item: &ImplItemFn) -> bool {
    HOOKS.iter().any(|hook| item.sig.ident == hook)
}

/// Returns the name under which the user's hook moves to the active model.
pub(crate) fn user_hook_name(hook: &Ident) -> Ident {
    format_ident!("__live_{hook}", span = hook.span())
}

/// Returns the `#[cfg(...)]` attributes.
pub(crate) fn cfg_attrs(attrs: &[Attribute]) -> impl Iterator<Item = &Attribute> {
    attrs.iter().filter(|attr| attr.path().is_ident("cfg"))
}

/// Generates the four hooks. Each also calls the hooks of the same name in `user_hooks`, which
/// already have their new names.
pub(crate) fn expand_hooks(krate: &Path, user_hooks: &[ImplItemFn]) -> TokenStream {
    let before_save = expand_before_save(krate, user_hooks);
    let after_save = expand_after_save(krate, user_hooks);
    let before_delete = expand_before_delete(krate, user_hooks);
    let after_delete = expand_after_delete(krate, user_hooks);
    quote!(#before_save #after_save #before_delete #after_delete)
}

/// Generates one statement for each user hook that was called `name`. There are several if each
/// has another `#[cfg(...)]`.
fn call_user_hooks(
    name: &str,
    user_hooks: &[ImplItemFn],
    statement: impl Fn(&Ident) -> TokenStream,
) -> TokenStream {
    let name = user_hook_name(&format_ident!("{name}"));
    user_hooks
        .iter()
        .filter(|hook| hook.sig.ident == name)
        .flat_map(|hook| {
            let cfg = cfg_attrs(&hook.attrs);
            let statement = statement(&hook.sig.ident);
            quote!(#(#cfg)* #statement)
        })
        .collect()
}

fn expand_before_save(krate: &Path, user_hooks: &[ImplItemFn]) -> TokenStream {
    let own = call_user_hooks(
        "before_save",
        user_hooks,
        |own| quote!(let active = active.#own(db, insert).await?;),
    );
    quote! {
        async fn before_save<C>(self, db: &C, insert: bool) -> ::core::result::Result<Self, #krate::__private::sea_orm::DbErr>
        where
            C: #krate::__private::sea_orm::ConnectionTrait,
        {
            let active = self;
            #own
            #krate::__private::hooks::before_save(&active, db, insert).await?;
            ::core::result::Result::Ok(active)
        }
    }
}

fn expand_after_save(krate: &Path, user_hooks: &[ImplItemFn]) -> TokenStream {
    let own = call_user_hooks(
        "after_save",
        user_hooks,
        |own| quote!(let model = Self::#own(model, db, insert).await?;),
    );
    let model = quote!(
        <<Self as #krate::__private::sea_orm::ActiveModelTrait>::Entity as #krate::__private::sea_orm::EntityTrait>::Model
    );
    quote! {
        async fn after_save<C>(model: #model, db: &C, insert: bool) -> ::core::result::Result<#model, #krate::__private::sea_orm::DbErr>
        where
            C: #krate::__private::sea_orm::ConnectionTrait,
        {
            #krate::__private::hooks::after_save::<Self, C>(&model, db, insert).await;
            #own
            ::core::result::Result::Ok(model)
        }
    }
}

fn expand_before_delete(krate: &Path, user_hooks: &[ImplItemFn]) -> TokenStream {
    let own = call_user_hooks(
        "before_delete",
        user_hooks,
        |own| quote!(let active = active.#own(db).await?;),
    );
    quote! {
        async fn before_delete<C>(self, db: &C) -> ::core::result::Result<Self, #krate::__private::sea_orm::DbErr>
        where
            C: #krate::__private::sea_orm::ConnectionTrait,
        {
            let active = self;
            #own
            #krate::__private::hooks::before_delete(&active, db).await?;
            ::core::result::Result::Ok(active)
        }
    }
}

fn expand_after_delete(krate: &Path, user_hooks: &[ImplItemFn]) -> TokenStream {
    let own = call_user_hooks(
        "after_delete",
        user_hooks,
        |own| quote!(let active = active.#own(db).await?;),
    );
    quote! {
        async fn after_delete<C>(self, db: &C) -> ::core::result::Result<Self, #krate::__private::sea_orm::DbErr>
        where
            C: #krate::__private::sea_orm::ConnectionTrait,
        {
            let active = self;
            #krate::__private::hooks::after_delete(&active, db).await;
            #own
            ::core::result::Result::Ok(active)
        }
    }
}
