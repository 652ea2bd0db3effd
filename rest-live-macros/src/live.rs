//! `#[live]` on an `impl ActiveModelBehavior`: our hooks next to the statement, the user's outside.
//!
//! Before a write the user's hook runs first, so that ours sees what will be written; after it ours
//! runs first, so that a row that is written is told of even if the user's hook fails.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote};
use syn::{Attribute, ImplItem, ImplItemFn, ItemImpl, Path, parse::Parser, spanned::Spanned};

use crate::stack::default_crate;

const HOOKS: [&str; 4] = ["before_save", "after_save", "before_delete", "after_delete"];

/// Expands `#[live]`.
pub(crate) fn live(args: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Vec::new();
    let krate = krate(args).unwrap_or_else(|error| {
        errors.push(error);
        default_crate()
    });
    let code = match hooks(&item) {
        Err(error) => {
            errors.push(error);
            item
        }
        Ok(hooks) => match expanded_hook(&hooks) {
            None => expand(hooks, &krate),
            Some(hook) => {
                let message = format!(
                    "`{}` was expanded by #[async_trait] already: write #[live] above it",
                    hook.sig.ident
                );
                errors.push(syn::Error::new(Span::call_site(), message));
                // Not live, but meant to be: no error wherever it is expected.
                let self_ty = &hooks.self_ty;
                quote!(#hooks impl #krate::__private::LiveModel for #self_ty {})
            }
        },
    };
    let errors = errors.into_iter().map(syn::Error::into_compile_error);
    quote!(#(#errors)* #code)
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

fn hooks(item: &TokenStream) -> syn::Result<ItemImpl> {
    let wrong = |at| {
        syn::Error::new(
            at,
            "#[live] goes on the model's hooks: write `#[live] impl ActiveModelBehavior for ActiveModel {}`",
        )
    };
    let hooks: ItemImpl = syn::parse2(item.clone()).map_err(|_| wrong(Span::call_site()))?;
    let name = match &hooks.trait_ {
        Some((path, ..)) => path.segments.last().map(|segment| &segment.ident),
        None => None,
    };
    match name {
        Some(name) if name == "ActiveModelBehavior" => Ok(hooks),
        Some(name) => Err(wrong(name.span())),
        None => Err(wrong(hooks.self_ty.span())),
    }
}

/// Returns the first hook that `#[async_trait]` was at before us.
fn expanded_hook(hooks: &ItemImpl) -> Option<&ImplItemFn> {
    hooks.items.iter().find_map(|item| match item {
        ImplItem::Fn(hook) if is_hook(hook) && hook.sig.asyncness.is_none() => Some(hook),
        _ => None,
    })
}

fn is_hook(item: &ImplItemFn) -> bool {
    HOOKS.iter().any(|hook| item.sig.ident == hook)
}

fn expand(mut item: ItemImpl, krate: &Path) -> TokenStream {
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
    let woven = [
        before_save(krate, &theirs),
        after_save(krate, &theirs),
        before_delete(krate, &theirs),
        after_delete(krate, &theirs),
    ];
    // The user's own `impl`, for its place in errors.
    item.items = others;
    item.items.extend(woven.map(ImplItem::Verbatim));
    let is_async_trait = |attr: &Attribute| {
        let name = attr.path().segments.last();
        name.is_some_and(|s| s.ident == "async_trait")
    };
    let async_trait =
        (!item.attrs.iter().any(is_async_trait)).then(|| quote!(#[#krate::__private::async_trait]));
    let cfg: Vec<_> = cfg(&item.attrs).collect();
    let self_ty = &item.self_ty;
    quote! {
        #async_trait
        #item
        #(#cfg)*
        #[doc(hidden)]
        impl #self_ty {
            #(#theirs)*
        }
        #(#cfg)*
        #[automatically_derived]
        impl #krate::__private::LiveModel for #self_ty {}
    }
}

fn own_name(hook: &Ident) -> Ident {
    format_ident!("__live_{hook}", span = hook.span())
}

fn cfg(attrs: &[Attribute]) -> impl Iterator<Item = &Attribute> {
    attrs.iter().filter(|attr| attr.path().is_ident("cfg"))
}

/// Writes one statement for the user's own hook of a name: none if there is none, several if the
/// user has one for each of several `cfg`.
fn calls(
    name: &str,
    theirs: &[ImplItemFn],
    statement: impl Fn(&Ident) -> TokenStream,
) -> TokenStream {
    let name = own_name(&format_ident!("{name}"));
    theirs
        .iter()
        .filter(|hook| hook.sig.ident == name)
        .flat_map(|hook| {
            let cfg = cfg(&hook.attrs);
            let statement = statement(&hook.sig.ident);
            quote!(#(#cfg)* #statement)
        })
        .collect()
}

/// Writes `before_save`, around the user's own if there is one among theirs.
pub(crate) fn before_save(krate: &Path, theirs: &[ImplItemFn]) -> TokenStream {
    let own = calls(
        "before_save",
        theirs,
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

/// Writes `after_save`, around the user's own if there is one among theirs.
pub(crate) fn after_save(krate: &Path, theirs: &[ImplItemFn]) -> TokenStream {
    let own = calls(
        "after_save",
        theirs,
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

/// Writes `before_delete`, around the user's own if there is one among theirs.
pub(crate) fn before_delete(krate: &Path, theirs: &[ImplItemFn]) -> TokenStream {
    let own = calls(
        "before_delete",
        theirs,
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

/// Writes `after_delete`, around the user's own if there is one among theirs.
pub(crate) fn after_delete(krate: &Path, theirs: &[ImplItemFn]) -> TokenStream {
    let own = calls(
        "after_delete",
        theirs,
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
