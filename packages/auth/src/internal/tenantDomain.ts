import * as LazyModule from "@effect-oci/core/LazyModule"
import * as Effect from "effect/Effect"

/**
 * Domains that give a host name to any customer, and that are not in the public-suffix list. Hosts below such a domain
 * belong to different tenants, however many labels they share.
 */
const tenantSuffixes: ReadonlyArray<string> = [
  // Registries with a host for each customer.
  "azurecr.io",
  "azurecr.cn",
  "azurecr.us",
  "pkg.dev",
  "jfrog.io",
  "tencentcloudcr.com",
  "container-registry.com",
  "amazonaws.com",
  "amazonaws.com.cn",
  // Machines and applications in a cloud.
  "on.aws",
  "cloudapp.azure.com",
  "azurecontainer.io",
  "azurecontainerapps.io",
  "googleusercontent.com",
  "myhuaweicloud.com",
  "appdomain.cloud",
  "openshiftapps.com",
  "scw.cloud",
  "github.dev",
  "gitpod.io",
  "your-server.de",
  // Names that resolve to any address.
  "nip.io",
  "sslip.io",
  "xip.io",
  "traefik.me",
  "localtest.me",
  "lvh.me",
  // Names within a cluster or the network of a cloud.
  "cluster.local",
  "ec2.internal",
  "compute.internal"
]

const isBelow = (host: string, suffix: string): boolean => host === suffix || host.endsWith(`.${suffix}`)

const lastTwoLabels = (host: string): string => host.split(".").slice(-2).join(".")

/** The public-suffix list, which is larger than the rest of a client. */
const load = Effect.orDie(LazyModule.make(() => import("tldts")))

/**
 * Returns whether two hosts are on one domain whose hosts all belong to one owner. An IP address and a name without a
 * domain have no owner. Loads the public-suffix list only if the names end alike.
 */
export const haveOneOwner = (one: string, other: string): Effect.Effect<boolean> =>
  lastTwoLabels(one) === lastTwoLabels(other)
    ? Effect.map(load, ({ getDomain }) => {
      const tenantDomain = (host: string) => {
        const domain = getDomain(host, { allowPrivateDomains: true })
        return domain !== null && tenantSuffixes.some((suffix) => isBelow(host, suffix)) ? host : domain
      }
      const domain = tenantDomain(one)
      return domain !== null && domain === tenantDomain(other)
    })
    : Effect.succeed(false)
