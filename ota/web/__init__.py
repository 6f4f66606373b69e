"""What every route needs: endpoints with a policy, proof of the caller, problems, health, the description."""
