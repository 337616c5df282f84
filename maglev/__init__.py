"""Health checker and control plane for the Maglev load balancer of VPP."""
