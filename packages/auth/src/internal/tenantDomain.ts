import { getDomain } from "tldts"

/**
 * Domains that give a host name to anyone, and that the public-suffix list does not have. The hosts below each of these
 * belong to different tenants, however many labels they share.
 */
const tenantSuffixes: ReadonlyArray<string> = [
  // Registries: a host for each customer.
  "azurecr.io",
  "azurecr.cn",
  "azurecr.us",
  "pkg.dev",
  "jfrog.io",
  "tencentcloudcr.com",
  "container-registry.com",
  "amazonaws.com",
  "amazonaws.com.cn",
  // Machines and applications of a cloud.
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
  // Names for any address.
  "nip.io",
  "sslip.io",
  "xip.io",
  "traefik.me",
  "localtest.me",
  "lvh.me",
  // Names within a cluster or a cloud's network.
  "cluster.local",
  "ec2.internal",
  "compute.internal"
]

const isBelow = (host: string, suffix: string): boolean => host === suffix || host.endsWith(`.${suffix}`)

/** The domain that one owner has all hosts of. `undefined` for an address, and for a name without a domain. */
export const tenantDomain = (host: string): string | undefined => {
  const domain = getDomain(host, { allowPrivateDomains: true })
  if (domain === null) return undefined
  return tenantSuffixes.some((suffix) => isBelow(host, suffix)) ? host : domain
}
