/** Small parts that several views use. */
import { RealmRefused } from "@effect-oci/core/RegistryError"
import { Fragment } from "preact"
import type { ComponentChildren } from "preact"
import { useEffect, useRef, useState } from "preact/hooks"
import { useApp } from "./app.js"
import { run } from "./connection.js"
import { diagnose, explain, kindOf } from "./explain.js"
import type { Failed, Silence } from "./explain.js"
import * as format from "./format.js"
import type { Live } from "./live.js"
import { LogIn } from "./LogIn.js"
import type { NotOffered } from "./rights.js"
import { Text } from "./Text.js"

/** Says that something is being read. A screen reader announces it. */
export const Waiting = ({ children = "Reading" }: { readonly children?: ComponentChildren }) => (
  <p class="waiting" role="status">{children}…</p>
)

/** A field that searches what a view shows, as one types. Its text is a name, so the browser does not correct it. */
export const Search = (
  { label, onSearch, placeholder, value }: {
    /** The name of the field for a screen reader. */
    readonly label: string
    readonly placeholder: string
    readonly value: string
    readonly onSearch: (search: string) => void
  }
) => (
  <input
    type="search"
    value={value}
    onInput={(event) => onSearch(event.currentTarget.value)}
    placeholder={placeholder}
    aria-label={label}
    spellcheck={false}
    autocapitalize="none"
  />
)

/** Shows an error of a registry: what happened, what to do, and the details. */
export const Failure = (
  { error, onRetry }: { readonly error: Failed; readonly onRetry?: (() => void) | undefined }
) => {
  const { connection } = useApp()
  const [silence, setSilence] = useState<Silence>()
  const kind = kindOf(error)
  useEffect(
    () =>
      kind === "OciTransportError"
        ? run(diagnose(connection.origin), (exit) => exit._tag === "Success" && setSilence(exit.value))
        : undefined,
    [error]
  )
  const { advice, what } = explain(error, connection.origin, silence)
  const needsLogIn = kind === "OciUnauthorized" || kind === "OciRealmRefused" ||
    (kind === "OciDenied" && connection.username === undefined)
  return (
    <section class="failure" role="alert">
      <p>
        <strong>{what}</strong> {advice}
      </p>
      {needsLogIn && <LogIn realm={error instanceof RealmRefused ? error.realm : undefined} />}
      <details>
        <summary>Details</summary>
        <p class="mono">
          <Text>{error.message}</Text>
        </p>
      </details>
      {onRetry !== undefined && <button type="button" onClick={onRetry}>Try again</button>}
    </section>
  )
}

/** Asks whether a push may move its tag. */
export const MayMove = () => (
  <label class="check">
    <input name="move" type="checkbox" /> Move the tag if it points to another manifest
  </label>
)

/** Says why changes are not offered, each reason once. */
export const Refusals = ({ children }: { readonly children: ReadonlyArray<NotOffered | undefined> }) => {
  const reasons = new Map(children.flatMap((each) => each === undefined ? [] : [[each.what, each]]))
  return (
    <div role="status">
      {Array.from(reasons.values(), ({ advice, forget, what }) => (
        <p key={what} class="note">
          <strong>{what}</strong> {advice}{" "}
          {forget !== undefined && <button type="button" onClick={forget}>Offer it again</button>}
        </p>
      ))}
    </div>
  )
}

/** Shows a value that is read, or that it is being read, or why it could not be read. */
export function Show<A>(
  { children, live, waiting }: {
    readonly live: Live<A>
    readonly waiting?: ComponentChildren
    readonly children: (value: A) => ComponentChildren
  }
) {
  const { error, isDone, reload, value } = live
  return (
    <>
      {error !== undefined && <Failure error={error} onRetry={reload} />}
      {error !== undefined && value !== undefined && <p class="note">This is what the page read before.</p>}
      {value === undefined ? !isDone && <Waiting>{waiting}</Waiting> : children(value)}
    </>
  )
}

/** A name of the registry, which breaks between its parts if it is longer than a line. */
export const Name = ({ children }: { readonly children: string }) => (
  <>
    {children.split(/(?<=[/:@])/).map((part, at) => (
      <Fragment key={at}>
        {part}
        <wbr />
      </Fragment>
    ))}
  </>
)

/** A button that copies a text. */
export const Copy = ({ label, text }: { readonly text: string; readonly label: string }) => {
  const [isCopied, setCopied] = useState(false)
  useEffect(() => {
    if (!isCopied) return
    const timer = setTimeout(() => setCopied(false), 2000)
    return () => clearTimeout(timer)
  }, [isCopied])
  const copy = () => void navigator.clipboard?.writeText(text).then(() => setCopied(true), () => {})
  return (
    <button type="button" class="copy" onClick={copy} aria-label={`Copy ${label}`}>
      <span aria-live="polite">{isCopied ? "Copied" : "Copy"}</span>
    </button>
  )
}

/** A digest, shortened, with a button that copies all of it. */
export const Digest = ({ children }: { readonly children: string }) => (
  <span class="digest">
    <code title={format.plain(children)}>{format.digest(children)}</code> <Copy text={children} label="the digest" />
  </span>
)

/** Shows the first items of a list, and more when the user comes to their end. */
export function Paged<A>(
  { children, items, size = 100 }: {
    readonly items: ReadonlyArray<A>
    readonly size?: number
    readonly children: (shown: ReadonlyArray<A>) => ComponentChildren
  }
) {
  const [shown, setShown] = useState(size)
  const end = useRef<HTMLButtonElement>(null)
  const more = () => setShown((old) => old + size)
  const hasMore = items.length > shown
  useEffect(() => {
    if (end.current === null) return
    const observer = new IntersectionObserver((entries) => {
      if (entries.some((entry) => entry.isIntersecting)) more()
    }, { rootMargin: "200px" })
    observer.observe(end.current)
    return () => observer.disconnect()
  }, [hasMore, shown])
  return (
    <>
      {children(items.slice(0, shown))}
      {hasMore && (
        <button type="button" class="more" ref={end} onClick={more}>
          {(items.length - shown).toLocaleString("en")} more
        </button>
      )}
    </>
  )
}

/** Names and values, as two columns. Rows without a value are left out. */
export const Facts = (
  { children }: { readonly children: ReadonlyArray<readonly [name: string, value: ComponentChildren]> }
) => (
  <dl class="facts">
    {children.filter(([, value]) => value !== undefined && value !== "").map(([name, value]) => (
      <div key={name}>
        <dt>{name}</dt>
        <dd>{value}</dd>
      </div>
    ))}
  </dl>
)

/** A part of a view with a heading. */
export const Section = (
  { children, note, title }: {
    readonly title: string
    readonly note?: ComponentChildren
    readonly children: ComponentChildren
  }
) => (
  <section>
    <h2>{title} {note !== undefined && <small>{note}</small>}</h2>
    {children}
  </section>
)

/** A button that opens a part of a view, which is not made before. */
export const Lazy = (
  { children, isOpen = false, summary }: {
    readonly summary: ComponentChildren
    readonly isOpen?: boolean
    readonly children: () => ComponentChildren
  }
) => {
  const [wasOpened, setOpened] = useState(isOpen)
  return (
    <details
      open={isOpen}
      onToggle={(event) => {
        if (event.currentTarget.open) setOpened(true)
      }}
    >
      <summary>{summary}</summary>
      {wasOpened && children()}
    </details>
  )
}
