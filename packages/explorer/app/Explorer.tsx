/** The page: its header, and the view that its address names. */
import * as Either from "effect/Either"
import { useEffect, useMemo, useRef, useState } from "preact/hooks"
import { AppContext } from "./app.js"
import type { App } from "./app.js"
import { Compare } from "./Compare.js"
import { connect } from "./connection.js"
import type { Login } from "./connection.js"
import * as format from "./format.js"
import { Header } from "./Header.js"
import { LayerView } from "./LayerView.js"
import { ManifestView } from "./ManifestView.js"
import { Repositories } from "./Repositories.js"
import { Repository } from "./Repository.js"
import * as route from "./route.js"
import { Text } from "./Text.js"

const home = location.origin

const useFragment = (): string => {
  const [fragment, setFragment] = useState(location.hash)
  useEffect(() => {
    const changed = () => setFragment(location.hash)
    addEventListener("hashchange", changed)
    return () => removeEventListener("hashchange", changed)
  }, [])
  return fragment
}

const titleOf = ({ digest, registry, repository, tag }: route.Place): string =>
  repository === undefined
    ? route.hostOf(registry)
    : `${repository}${tag === undefined ? "" : `:${tag}`}${digest === undefined ? "" : `@${format.digest(digest)}`}`

const View = ({ place }: { readonly place: route.Place }) => {
  if (place.repository === undefined) return <Repositories />
  const reference = place.digest ?? place.tag
  if (reference === undefined) return <Repository repository={place.repository} />
  const shown = { repository: place.repository, reference }
  if (place.query?.["layer"] !== undefined) return <LayerView {...shown} query={place.query} />
  if (place.query?.["compare"] !== undefined) return <Compare {...shown} other={place.query["compare"]} />
  return <ManifestView {...shown} />
}

/** Moves the focus to the new view, so that a screen reader reads it, and the next Tab begins there. */
const useFocus = (title: string) => {
  const main = useRef<HTMLElement>(null)
  const isFirst = useRef(true)
  useEffect(() => {
    document.title = `${title} – registry explorer`
    if (!isFirst.current) {
      main.current?.focus({ preventScroll: true })
      scrollTo(0, 0)
    }
    isFirst.current = false
  }, [title])
  return main
}

export const Explorer = () => {
  const fragment = useFragment()
  const [logins, setLogins] = useState<ReadonlyMap<string, Login>>(new Map())
  const parsed = useMemo(() => route.parse(fragment, home), [fragment])
  const place = Either.getOrElse(parsed, (): route.Place => ({ registry: home }))
  const login = logins.get(place.registry)
  const connection = useMemo(() => connect(place.registry, login), [place.registry, login])
  const title = titleOf(place)
  const main = useFocus(title)
  const logIn = (login: Login | undefined) =>
    setLogins((old) => {
      const next = new Map(old)
      if (login === undefined) next.delete(place.registry)
      else next.set(place.registry, login)
      return next
    })
  if (connection === undefined) {
    return (
      <main>
        <p class="failure" role="alert">This is not the address of a registry: {format.plain(place.registry)}</p>
      </main>
    )
  }
  const app: App = { home, place, connection, logIn }
  return (
    <AppContext.Provider value={app}>
      <a
        class="skip"
        href="#main"
        onClick={(event) => {
          event.preventDefault()
          main.current?.focus()
        }}
      >
        Skip to the content
      </a>
      <Header />
      <main id="main" tabIndex={-1} ref={main} key={`${place.registry} ${login?.username ?? ""}`}>
        {Either.isLeft(parsed)
          ? (
            <p class="failure" role="alert">
              <strong>This address leads nowhere.</strong> <Text>{parsed.left}</Text>
            </p>
          )
          : <View place={place} key={`${title} ${place.query?.["layer"] ?? ""} ${place.query?.["compare"] ?? ""}`} />}
      </main>
    </AppContext.Provider>
  )
}
