/** What all views use: the place that is shown, and the connection to its registry. */
import { createContext } from "preact"
import { useContext } from "preact/hooks"
import type { Connection, Login } from "./connection.js"
import * as route from "./route.js"

export interface App {
  /** The origin of the page, which is also that of its own registry. */
  readonly home: string
  readonly place: route.Place
  readonly connection: Connection
  /** Uses a login for the registry of this place, or none. */
  readonly logIn: (login: Login | undefined) => void
}

export const AppContext = createContext<App>(undefined as never)

export const useApp = (): App => useContext(AppContext)

/** Returns the link to another view of the same registry. */
export const useLink = (): (place: Omit<route.Place, "registry">) => string => {
  const { home, place: { registry } } = useApp()
  return (place) => route.format({ registry, ...place }, home)
}
