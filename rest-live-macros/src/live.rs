//! `#[live]` on an `impl ActiveModelBehavior`: our hooks next to the statement, the user's outside.
//!
//! Before a write the user's hook runs first, so that ours sees what will be written; after it ours
//! runs first, so that a row that is written is told of even if the user's hook fails.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, format_ident, quote};
use syn::{Attribute, ImplItem, ImplItemFn, ItemImpl, Path, parse::Parser};

use crate::stack::default_crate;

const HOOKS: [&str; 4] = ["before_save", "after_save", "before_delete", "after_delete"];

/// Expands `#[live]`.
pub(crate) fn live(args: TokenStream, item: TokenStream) -> TokenStream {
    let krate = match krate(args) {
        Ok(krate) => krate,
        Err(error) => return with(error, item),
    };
    let parsed = match syn::parse2::<ItemImpl>(item.clone()) {
        Ok(parsed) => parsed,
        Err(_) => {
            let error = syn::Error::new_spanned(
                &item,
                "write `#[live] impl ActiveModelBehavior for ActiveModel {}`",
            );
            return with(error, item);
        }
    };
    match check(&parsed) {
        Ok(()) => expand(parsed, &krate),
        Err(error) => with(error, item),
    }
}

fn with(error: syn::Error, item: TokenStream) -> TokenStream {
    let mut tokens = error.into_compile_error();
    tokens.extend(item);
    tokens
}

fn krate(args: TokenStream) -> syn::Result<Path> {
    let mut krate = None;
    syn::meta::parser(|meta| {
        if meta.path.is_ident("crate") {
            krate = Some(meta.value()?.call(Path::parse_mod_style)?);
            return Ok(());
        }
        Err(meta.error("`live` takes no argument but `crate = path`"))
    })
    .parse2(args)?;
    Ok(krate.unwrap_or_else(default_crate))
}

fn check(item: &ItemImpl) -> syn::Result<()> {
    let behavior = item.trait_.as_ref().is_some_and(|(path, ..)| {
        path.segments
            .last()
            .is_some_and(|s| s.ident == "ActiveModelBehavior")
    });
    if !behavior {
        let message = "#[live] goes on the model's hooks: write `#[live] impl ActiveModelBehavior for ActiveModel {}`";
        return Err(syn::Error::new_spanned(&item.self_ty, message));
    }
    let mut errors = item.items.iter().filter_map(|item| match item {
        ImplItem::Fn(hook) if is_hook(hook) && hook.sig.asyncness.is_none() => {
            Some(syn::Error::new_spanned(
                hook.sig.fn_token,
                "this is expanded already: put #[live] above #[async_trait]",
            ))
        }
        _ => None,
    });
    match errors.next() {
        None => Ok(()),
        Some(first) => Err(errors.fold(first, |mut all, error| {
            all.combine(error);
            all
        })),
    }
}

fn is_hook(item: &ImplItemFn) -> bool {
    HOOKS.iter().any(|hook| item.sig.ident == hook)
}

fn expand(mut item: ItemImpl, krate: &Path) -> TokenStream {
    item.attrs.retain(|attr: &Attribute| {
        attr.path()
            .segments
            .last()
            .is_none_or(|s| s.ident != "async_trait")
    });
    let (hooks, others): (Vec<_>, Vec<_>) = std::mem::take(&mut item.items)
        .into_iter()
        .partition(|item| matches!(item, ImplItem::Fn(hook) if is_hook(hook)));

    // The user's hooks move to functions of the type's own, as they were written.
    let mut theirs = Vec::new();
    for hook in hooks {
        if let ImplItem::Fn(mut hook) = hook {
            hook.sig.ident = own_name(&hook.sig.ident);
            theirs.push(hook);
        }
    }
    let own = |name: &str| {
        let own = own_name(&format_ident!("{name}"));
        theirs
            .iter()
            .any(|hook| hook.sig.ident == own)
            .then_some(own)
    };
    let woven = [
        before_save(krate, own("before_save").as_ref()),
        after_save(krate, own("after_save").as_ref()),
        before_delete(krate, own("before_delete").as_ref()),
        after_delete(krate, own("after_delete").as_ref()),
    ];
    let (attrs, self_ty) = (&item.attrs, &item.self_ty);
    let behavior = item
        .trait_
        .as_ref()
        .map(|(path, ..)| path.to_token_stream());
    quote! {
        #(#attrs)*
        #[#krate::__private::async_trait]
        impl #behavior for #self_ty {
            #(#others)*
            #(#woven)*
        }
        #[doc(hidden)]
        impl #self_ty {
            #(#theirs)*
        }
        #[automatically_derived]
        impl #krate::LiveModel for #self_ty {}
    }
}

fn own_name(hook: &Ident) -> Ident {
    format_ident!("__live_{hook}", span = hook.span())
}

/// Writes `before_save`, around the user's own if there is one.
pub(crate) fn before_save(krate: &Path, own: Option<&Ident>) -> TokenStream {
    let own = own.map(|own| quote!(let active = active.#own(db, insert).await?;));
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

/// Writes `after_save`, around the user's own if there is one.
pub(crate) fn after_save(krate: &Path, own: Option<&Ident>) -> TokenStream {
    let result = match own {
        Some(own) => quote!(Self::#own(model, db, insert).await),
        None => quote!(::core::result::Result::Ok(model)),
    };
    let model = quote!(
        <<Self as #krate::__private::sea_orm::ActiveModelTrait>::Entity as #krate::__private::sea_orm::EntityTrait>::Model
    );
    quote! {
        async fn after_save<C>(model: #model, db: &C, insert: bool) -> ::core::result::Result<#model, #krate::__private::sea_orm::DbErr>
        where
            C: #krate::__private::sea_orm::ConnectionTrait,
        {
            #krate::__private::hooks::after_save::<Self, C>(&model, db, insert).await;
            #result
        }
    }
}

/// Writes `before_delete`, around the user's own if there is one.
pub(crate) fn before_delete(krate: &Path, own: Option<&Ident>) -> TokenStream {
    let own = own.map(|own| quote!(let active = active.#own(db).await?;));
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

/// Writes `after_delete`, around the user's own if there is one.
pub(crate) fn after_delete(krate: &Path, own: Option<&Ident>) -> TokenStream {
    let result = match own {
        Some(own) => quote!(self.#own(db).await),
        None => quote!(::core::result::Result::Ok(self)),
    };
    quote! {
        async fn after_delete<C>(self, db: &C) -> ::core::result::Result<Self, #krate::__private::sea_orm::DbErr>
        where
            C: #krate::__private::sea_orm::ConnectionTrait,
        {
            #krate::__private::hooks::after_delete(&self, db).await;
            #result
        }
    }
}
